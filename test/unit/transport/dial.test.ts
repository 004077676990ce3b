import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import {
  createTlsContext,
  type DialStep,
  type DialWebSocketOptions,
  dialTcp,
  dialWebSocket,
  type TlsFacts,
} from '../../../src/transport/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { authority, backTo, resources } from '../../kit/fronts.ts'
import { answerUpgrade, type RawServer, rawTcpServer, rawTlsServer, upgradeAnswer } from '../../kit/wire.ts'

const certificate = authority.issue({ dns: ['montague.example'] })
const pem = { cert: certificate.certificatePem, key: certificate.keyPem }
const secureContext = createTlsContext({ identity: null, ca: [authority.caPem] })

const servers: RawServer[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function tlsServer(options: Parameters<typeof rawTlsServer>[0] = pem): Promise<RawServer> {
  const server = await rawTlsServer(options)
  servers.push(server)
  return server
}

async function tcpServer(): Promise<RawServer> {
  const server = await rawTcpServer()
  servers.push(server)
  return server
}

function attempt<F = never>(port: number, more: Partial<DialWebSocketOptions<F>> = {}) {
  return dialWebSocket<F>({
    url: 'wss://montague.example/s2s',
    address: '127.0.0.1',
    port,
    servername: 'montague.example',
    secureContext,
    vet: () => null,
    limits: defaultLimits,
    clock: systemClock,
    signal: new AbortController().signal,
    ...more,
  })
}

const limits = { ...defaultLimits, connectMs: 100 }

describe('a dial that fails', () => {
  it('says so where nobody listens', async () => {
    const server = await rawTcpServer()
    server.close()
    expect(await attempt(server.port)).toEqual({
      ok: false,
      failure: { by: 'network', kind: 'unreachable', detail: 'connection refused' },
    })
  })

  it('says so where the peer speaks no TLS, or hangs up in the handshake', async () => {
    for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
      const server = await tcpServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      if (answer === '') peer.destroy()
      else peer.write(answer)
      expect(await dialled).toMatchObject({ ok: false, failure: { by: 'network', kind: 'tls' } })
    }
  })

  it('says so where the peer hangs up instead of an upgrade, before or within its answer', async () => {
    for (const answer of ['', 'HTTP/1.1 101 Switching', 'nonsense\r\n\r\n']) {
      const server = await tlsServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      await peer.head()
      await peer.flush(answer)
      peer.destroy()
      expect(await dialled, answer).toMatchObject({ ok: false, failure: { by: 'network', kind: 'http' } })
    }
  })

  it('says so where the answer is too long, in one head or in many', async () => {
    const interim = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(1_000)}\r\n\r\n`
    for (const answer of [
      upgradeAnswer('', { headers: { 'X-Long': 'x'.repeat(17 * 1024) } }),
      interim.repeat(20),
      'x'.repeat(20_000),
    ]) {
      const server = await tlsServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      await peer.head()
      peer.write(answer)
      expect(await dialled).toMatchObject({ ok: false, failure: { by: 'network', kind: 'http' } })
    }
  })

  it('takes no longer than it may, whatever the peer leaves out', async () => {
    const silent = await tcpServer()
    expect(await attempt(silent.port, { limits })).toMatchObject({
      ok: false,
      failure: { by: 'network', kind: 'timeout' },
    })
    const secure = await tlsServer()
    expect(await attempt(secure.port, { limits })).toMatchObject({
      ok: false,
      failure: { by: 'network', kind: 'timeout' },
    })
  })

  it('ends when the caller gives up, before it begins and at every step', async () => {
    const gone = new AbortController()
    gone.abort()
    const aborted = { ok: false, failure: { by: 'us', kind: 'aborted' } }
    expect(await attempt(1, { signal: gone.signal })).toMatchObject(aborted)
    for (const step of ['connected', 'secured', 'vetted'] as const) {
      const server = await tlsServer()
      const caller = new AbortController()
      const dialled = attempt(server.port, {
        signal: caller.signal,
        onStep: reached => {
          if (reached === step) caller.abort()
        },
      })
      expect(await dialled, step).toMatchObject(aborted)
    }
  })

  it('leaves nothing behind', async () => {
    const baseline = resources()
    const server = await rawTlsServer(pem)
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        await attempt(server.port, { limits })
      }),
    )
    await attempt(server.port, { vet: () => ({ by: 'us', kind: 'policy', detail: '' }) })
    server.close()
    await backTo(baseline)
  })

  it('is a defect where the address is no address', async () => {
    await expect(attempt(1, { address: 'montague.example' })).rejects.toThrow(TypeError)
  })
})

describe('vet', () => {
  it('judges before a byte of HTTP is written', async () => {
    // In TLS 1.2 the server has finished first, and so can tell what follows.
    const server = await tlsServer({ ...pem, maxVersion: 'TLSv1.2' })
    const refusal = { by: 'test', why: 'not you' }
    const dialled = attempt(server.port, { vet: () => refusal })
    const peer = await server.accept()
    expect(await dialled).toEqual({ ok: false, failure: refusal })
    await peer.ended()
    expect(peer.bytesRead).toBe(0)
  })

  it('that throws fails the dial, not the process', async () => {
    const server = await tlsServer()
    const dialled = attempt(server.port, {
      vet: () => {
        throw new RangeError('a defect')
      },
    })
    expect(await dialled).toMatchObject({ ok: false, failure: { by: 'us', kind: 'internal' } })
  })

  it('is told the chain and Node’s verdict on it, never on the name', async () => {
    const stranger = testAuthority().issue({ dns: ['montague.example'] })
    const expired = authority.issue({ dns: ['montague.example'], notAfterMs: Date.now() - 60_000 })
    const elsewhere = authority.issue({ dns: ['verona.example'] })
    for (const [issued, verdict] of [
      [certificate, 'authorized'],
      [elsewhere, 'authorized'],
      [expired, 'CERT_HAS_EXPIRED'],
      [stranger, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ] as const) {
      const server = await tlsServer({ cert: issued.certificatePem, key: issued.keyPem })
      const seen: TlsFacts[] = []
      await attempt(server.port, {
        vet: tls => {
          seen.push(tls)
          return { by: 'us', kind: 'policy', detail: 'seen enough' }
        },
      })
      expect(seen).toMatchObject([
        { nodeVerdict: verdict, protocol: 'TLSv1.3', servername: 'montague.example' },
      ])
      const [leaf] = seen[0]?.chain ?? []
      expect(Buffer.from(leaf ?? []).equals(Buffer.from(issued.chainDer[0] ?? []))).toBe(true)
    }
  })

  it('is shown at most one certificate more than the limit', async () => {
    const server = await tlsServer()
    const lengths: number[] = []
    await attempt(server.port, {
      limits: { ...defaultLimits, chainCertificates: 1 },
      vet: tls => {
        lengths.push(tls.chain.length)
        return { by: 'us', kind: 'policy', detail: 'seen enough' }
      },
    })
    expect(lengths).toEqual([2])
  })
})

it('tells each step as it is reached', async () => {
  const steps: DialStep[] = []
  const server = await tlsServer()
  const caller = new AbortController()
  const dialled = attempt(server.port, { onStep: step => steps.push(step), signal: caller.signal })
  await answerUpgrade(await server.accept())
  const result = await dialled
  expect(steps).toEqual(['connected', 'secured', 'vetted', 'upgraded'])
  // A caller's signal outlives many dials.
  expect(getEventListeners(caller.signal, 'abort')).toEqual([])
  if (result.ok) result.transport.abort()
})

it('what comes with the answer to the upgrade is not lost, and waits for the handler', async () => {
  const server = await tlsServer()
  const dialled = attempt(server.port)
  const peer = await server.accept()
  const head = await peer.head()
  const text = (payload: string) => Buffer.concat([Buffer.of(0x81, payload.length), Buffer.from(payload)])
  const close = Buffer.of(0x88, 2, 0x03, 0xe8)
  const answer = upgradeAnswer(head?.headers['sec-websocket-key'] ?? '')
  peer.write(Buffer.concat([Buffer.from(answer), text('<a/>'), text('<b/>'), close]))
  peer.socket.end()
  const result = await dialled
  if (!result.ok) throw new Error('no transport')
  await new Promise(resolve => setTimeout(resolve, 50))
  const told: unknown[] = []
  await new Promise<void>(resolve =>
    result.transport.attach({
      onMessage: bytes => told.push(Buffer.from(bytes).toString()),
      onActivity: () => {},
      onDrain: () => {},
      onClosed: failure => {
        told.push(failure)
        resolve()
      },
    }),
  )
  expect(told).toEqual(['<a/>', '<b/>', null])
})

it('plain TCP has no TLS facts', async () => {
  const server = await tcpServer()
  const dialled = await dialTcp({
    address: '127.0.0.1',
    port: server.port,
    tls: null,
    limits: defaultLimits,
    clock: systemClock,
    signal: new AbortController().signal,
  })
  expect(dialled).toMatchObject({ ok: true })
  if (dialled.ok) {
    expect(dialled.transport.facts).toEqual({
      kind: 'tcp',
      remoteAddress: '127.0.0.1',
      remotePort: server.port,
      tls: null,
    })
    dialled.transport.abort()
  }
})

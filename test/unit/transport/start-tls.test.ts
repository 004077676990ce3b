import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/system.ts'
import {
  acceptTcp,
  createTlsContext,
  dialTcp,
  type StartTlsOptions,
  type TlsFacts,
  type Transport,
} from '../../../src/transport/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { complianceLimits, Recorder, transportCompliance, turns } from '../../kit/transport-compliance.ts'
import { clientHello } from '../../kit/wire.ts'

const authority = testAuthority()
const montague = authority.issue({ dns: ['montague.example'] })
const capulet = authority.issue({ dns: ['capulet.example'], ekus: ['serverAuth', 'clientAuth'] })
const stranger = testAuthority().issue({ dns: ['verona.example'], ekus: ['serverAuth', 'clientAuth'] })
const contextOf = (identity: typeof montague | null) =>
  createTlsContext({
    identity: identity === null ? null : { certificate: identity.certificatePem, key: identity.keyPem },
    ca: [authority.caPem],
  })
const initiatingTls = (identity: typeof montague | null = null): StartTlsOptions => ({
  role: 'initiating',
  servername: 'montague.example',
  secureContext: contextOf(identity),
})
const receivingTls: StartTlsOptions = {
  role: 'receiving',
  secureContext: contextOf(montague),
  requestCertificate: true,
}

const listener: Server = createServer()
await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
afterAll(() => void listener.close())
const { port } = listener.address() as AddressInfo

const transports: Transport[] = []
const sockets: Socket[] = []
afterEach(() => {
  for (const transport of transports.splice(0)) transport.abort()
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** The next connection, as a transport and as the socket below it. */
function accepted(limits = complianceLimits): Promise<{ transport: Transport; socket: Socket }> {
  return new Promise(resolve => {
    listener.once('connection', socket => {
      const transport = acceptTcp(socket, limits, systemClock)
      transports.push(transport)
      resolve({ transport, socket })
    })
  })
}

async function dialled(): Promise<Transport> {
  const result = await dialTcp({
    address: '127.0.0.1',
    port,
    limits: complianceLimits,
    clock: systemClock,
    signal: new AbortController().signal,
    tls: null,
  })
  if (!result.ok) throw new Error(JSON.stringify(result.failure))
  transports.push(result.transport)
  return result.transport
}

/** A peer that is written by hand, and the transport that has accepted it. */
async function handWritten(limits = complianceLimits) {
  const arrival = accepted(limits)
  const peer = connect(port, '127.0.0.1')
  sockets.push(peer)
  peer.on('error', () => {})
  const { transport } = await arrival
  const recorder = new Recorder()
  transport.attach(recorder)
  return { peer, transport, recorder }
}

async function pair() {
  const arrival = accepted()
  const initiating = await dialled()
  const { transport: receiving, socket } = await arrival
  return { initiating, receiving, socket }
}

transportCompliance({
  name: 'tcp after STARTTLS',
  mode: 'chunk',
  pings: false,
  // A TLS socket of Node shows a missing close_notify as an orderly end.
  tellsAborts: false,
  async connect(handlers) {
    const { initiating, receiving, socket } = await pair()
    initiating.attach(handlers.initiating)
    receiving.attach(handlers.receiving)
    await Promise.all([initiating.startTls?.(initiatingTls()), receiving.startTls?.(receivingTls)])
    return {
      initiating,
      receiving,
      reset: () => socket.resetAndDestroy(),
      stop: async () => {
        initiating.abort()
        receiving.abort()
      },
    }
  },
})

describe('STARTTLS', () => {
  it('gives each side what TLS said of the other', async () => {
    for (const [identity, verdict] of [
      [capulet, 'authorized'],
      [authority.issue({ dns: ['capulet.example'] }), 'INVALID_PURPOSE'],
      [stranger, 'SELF_SIGNED_CERT_IN_CHAIN'],
      [null, 'none'],
    ] as const) {
      const { initiating, receiving } = await pair()
      initiating.attach(new Recorder())
      receiving.attach(new Recorder())
      expect(initiating.facts.tls).toBeNull()
      const [ours, theirs] = await Promise.all([
        initiating.startTls?.(initiatingTls(identity)),
        receiving.startTls?.(receivingTls),
      ])
      expect(ours).toMatchObject({ servername: 'montague.example', nodeVerdict: 'authorized' })
      expect(theirs).toMatchObject({ servername: 'montague.example' })
      const facts = theirs as TlsFacts
      // The authority of the stranger is told as the chain shows it.
      if (identity === stranger) expect(facts.nodeVerdict).not.toMatch(/^(authorized|none|INVALID_PURPOSE)$/)
      else expect(facts.nodeVerdict).toBe(verdict)
      if (identity !== null)
        expect(
          Buffer.compare(facts.chain[0] ?? new Uint8Array(), identity.chainDer[0] ?? new Uint8Array()),
        ).toBe(0)
      expect([initiating.facts.tls, receiving.facts.tls]).toEqual([ours, theirs])
      expect(receiving.facts).toMatchObject({ kind: 'tcp', remoteAddress: '127.0.0.1' })
    }
  })

  it('asks for no certificate where none is wanted', async () => {
    const { initiating, receiving } = await pair()
    initiating.attach(new Recorder())
    receiving.attach(new Recorder())
    const [, theirs] = await Promise.all([
      initiating.startTls?.(initiatingTls(capulet)),
      receiving.startTls?.({ ...receivingTls, requestCertificate: false }),
    ])
    expect(theirs).toMatchObject({ chain: [], nodeVerdict: 'none' })
  })

  it('sends what was sent before in plaintext, and what is sent meanwhile over TLS', async () => {
    const { initiating, receiving } = await pair()
    const [atInitiating, atReceiving] = [new Recorder(), new Recorder()]
    initiating.attach(atInitiating)
    receiving.attach(atReceiving)
    // More than the kernel takes at once, and more behind it: TLS must wait for all of it.
    const before = 'p'.repeat(PLENTY + 1)
    receiving.send(before.slice(1))
    await turns(2)
    receiving.send('p')
    const theirs = receiving.startTls?.(receivingTls)
    receiving.send('<over-tls/>')
    await atInitiating.until(() => atInitiating.received === before.length)
    expect(atInitiating.bytes.equals(Buffer.from(before))).toBe(true)
    const ours = initiating.startTls?.(initiatingTls())
    initiating.send('<over-tls-too/>')
    expect(await ours).toMatchObject({ nodeVerdict: 'authorized' })
    await theirs
    await atInitiating.until(() => atInitiating.received > before.length)
    await atReceiving.until(() => atReceiving.messages.length === 1)
    expect(atInitiating.bytes.subarray(before.length).toString()).toBe('<over-tls/>')
    expect(atReceiving.bytes.toString()).toBe('<over-tls-too/>')
  })

  it('is heard of before anything that comes over it, and keeps a pause', async () => {
    const { initiating, receiving } = await pair()
    const [atInitiating, atReceiving] = [new Recorder(), new Recorder()]
    initiating.attach(atInitiating)
    receiving.attach(atReceiving)
    receiving.pause()
    const heard: string[] = []
    atInitiating.react = () => void heard.push('message')
    const theirs = receiving.startTls?.(receivingTls)
    receiving.send('<first/>')
    initiating.send('')
    await initiating.startTls?.(initiatingTls()).then(() => heard.push('tls'))
    await theirs
    initiating.send('<held/>')
    await atInitiating.until(() => atInitiating.messages.length === 1)
    expect(heard).toEqual(['tls', 'message'])
    await turns(50)
    expect(atReceiving.messages).toEqual([])
    receiving.resume()
    await atReceiving.until(() => atReceiving.messages.length === 1)
    expect(atReceiving.bytes.toString()).toBe('<held/>')
  })

  it('can be resumed while plaintext still goes out, and while the handshake is under way', async () => {
    for (const before of [PLENTY, 0]) {
      const { initiating, receiving } = await pair()
      const [atInitiating, atReceiving] = [new Recorder(), new Recorder()]
      initiating.attach(atInitiating)
      receiving.attach(atReceiving)
      const heard: string[] = []
      atReceiving.react = () => void heard.push('message')
      receiving.pause()
      receiving.send('p'.repeat(before))
      const theirs = receiving.startTls?.(receivingTls).then(() => heard.push('tls'))
      receiving.resume()
      await atInitiating.until(() => atInitiating.received === before)
      const ours = initiating.startTls?.(initiatingTls())
      initiating.send('<m/>')
      await Promise.all([ours, theirs])
      await atReceiving.until(() => atReceiving.messages.length === 1)
      expect(atReceiving.bytes.toString()).toBe('<m/>')
      expect(heard).toEqual(['tls', 'message'])
    }
  })

  it('a ClientHello that comes while plaintext still goes out is kept, resumed or not', async () => {
    const { peer, transport, recorder } = await handWritten()
    transport.send('p'.repeat(PLENTY))
    await turns(2)
    transport.send('p')
    const result = transport.startTls?.(receivingTls)
    transport.pause()
    transport.resume()
    await new Promise(resolve => peer.write(hello, resolve))
    await turns(50)
    const answer: Buffer[] = []
    peer.on('data', chunk => answer.push(chunk))
    // The first byte after the text is that of a record with the answer to it.
    while (answer.reduce((sum, chunk) => sum + chunk.length, 0) <= PLENTY + 1) await turns(1)
    expect(Buffer.concat(answer)[PLENTY + 1]).toBe(0x16)
    peer.destroy()
    expect(await result).toMatchObject({ kind: 'tls' })
    await recorder.ended()
  })

  it('text that was injected before TLS never arrives (RFC 6120 §5.4.3.3)', async () => {
    const { peer, transport, recorder } = await handWritten()
    // What the session does on <starttls/>: stop reading, answer, go on with TLS.
    recorder.react = () => transport.pause()
    peer.write('<starttls/>')
    await recorder.until(() => recorder.messages.length === 1)
    peer.write('<message>injected</message>')
    await turns(50)
    transport.send('<proceed/>')
    const result = await transport.startTls?.(receivingTls)
    expect(result).toMatchObject({ by: 'network', kind: 'tls' })
    expect(recorder.ends, 'the caller hears of it first').toEqual([])
    expect(await recorder.ended()).toBe(result)
    expect(recorder.texts).toEqual(['<starttls/>'])
  })

  it('injected text does not slip in before a real handshake either', async () => {
    const { peer, transport, recorder } = await handWritten()
    recorder.react = () => transport.pause()
    peer.write('<starttls/>')
    await recorder.until(() => recorder.messages.length === 1)
    const injected = '<message>injected</message>'
    peer.write(injected)
    const result = transport.startTls?.(receivingTls)
    const tls = tlsConnect({ socket: peer, servername: 'montague.example', rejectUnauthorized: false })
    tls.on('error', () => {})
    tls.write('<secure/>')
    expect(await result).toMatchObject({ by: 'network', kind: 'tls' })
    await recorder.ended()
    expect(recorder.bytes.includes(injected)).toBe(false)
  })

  it('what TLS sent early is not lost: a ClientHello that came before our part began', async () => {
    const { peer, transport, recorder } = await handWritten()
    recorder.react = () => transport.pause()
    peer.write('<starttls/>')
    await recorder.until(() => recorder.messages.length === 1)
    const tls = tlsConnect({ socket: peer, servername: 'montague.example', rejectUnauthorized: false })
    await turns(50)
    expect(await transport.startTls?.(receivingTls)).toMatchObject({ protocol: 'TLSv1.3' })
    recorder.react = () => {}
    transport.resume()
    tls.write('<secure/>')
    await recorder.until(() => recorder.messages.length === 2)
    expect(recorder.texts).toEqual(['<starttls/>', '<secure/>'])
    tls.destroy()
  })

  it('has a deadline', async () => {
    const { transport, recorder } = await handWritten({ ...complianceLimits, tlsHandshakeMs: 30 })
    const result = await transport.startTls?.(receivingTls)
    expect(result).toMatchObject({ by: 'network', kind: 'timeout' })
    expect(await recorder.ended()).toBe(result)
  })

  for (const [name, cut] of [
    ['ends', (peer: Socket) => peer.end()],
    ['resets', (peer: Socket) => peer.resetAndDestroy()],
    ['sends half a ClientHello and ends', (peer: Socket) => peer.end(halfHello)],
    [
      'sends half a ClientHello and resets',
      (peer: Socket) => peer.write(halfHello, () => peer.resetAndDestroy()),
    ],
    ['sends a ClientHello and resets', (peer: Socket) => peer.write(hello, () => peer.resetAndDestroy())],
    ['talks text', (peer: Socket) => peer.write('<stream:stream>')],
  ] as const) {
    for (const early of [true, false]) {
      it(`a peer that ${name} ${early ? 'before' : 'during'} the handshake is a failure, told once`, async () => {
        const { peer, transport, recorder } = await handWritten()
        transport.pause()
        if (early) {
          cut(peer)
          await turns(50)
        }
        const result = transport.startTls?.(receivingTls)
        if (!early) {
          await turns(5)
          cut(peer)
        }
        const failure = await result
        expect(failure).toMatchObject({ by: 'network' })
        transport.resume()
        // An orderly end that came before stays one.
        expect(await recorder.ended()).toEqual(early && name === 'ends' ? null : failure)
        expect(transport.facts.tls).toBeNull()
      })
    }
  }

  it('a receiving side that cannot do TLS is a failure of the initiating one', async () => {
    const arrival = accepted()
    const initiating = await dialled()
    const { transport: receiving } = await arrival
    const recorder = new Recorder()
    initiating.attach(recorder)
    receiving.attach(new Recorder())
    receiving.send('<stream:error/>')
    expect(await initiating.startTls?.(initiatingTls())).toMatchObject({ by: 'network', kind: 'tls' })
    await recorder.ended()
  })

  it('is ended by abort and by close', async () => {
    for (const end of ['abort', 'close'] as const) {
      const { transport, recorder } = await handWritten()
      const result = transport.startTls?.(receivingTls)
      await turns(3)
      if (end === 'abort') transport.abort()
      else transport.close(1000)
      expect(await result).toMatchObject({ by: 'us', kind: 'aborted' })
      expect(await recorder.ended()).toMatchObject({ by: 'us', kind: 'aborted' })
      expect(await transport.startTls?.(receivingTls)).toMatchObject({ by: 'us', kind: 'aborted' })
    }
  })

  it('is a failure on a transport that has ended', async () => {
    const { transport, recorder } = await handWritten()
    transport.close(1000)
    expect(await transport.startTls?.(receivingTls)).toMatchObject({ kind: 'closed' })
    await recorder.ended()
  })

  it('starts once', async () => {
    const { initiating, receiving } = await pair()
    initiating.attach(new Recorder())
    receiving.attach(new Recorder())
    const both = Promise.all([initiating.startTls?.(initiatingTls()), receiving.startTls?.(receivingTls)])
    expect(() => initiating.startTls?.(initiatingTls())).toThrow(TypeError)
    await both
    expect(() => initiating.startTls?.(initiatingTls())).toThrow(TypeError)
  })

  it('a peer that is cut after TLS ends its own transport only', async () => {
    const { peer, transport, recorder } = await handWritten()
    const result = transport.startTls?.(receivingTls)
    const tls = tlsConnect({ socket: peer, servername: 'montague.example', rejectUnauthorized: false })
    tls.on('error', () => {})
    await result
    transport.send('x'.repeat(4_000_000))
    peer.resetAndDestroy()
    expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
  })

  it('a record that is none ends the transport', async () => {
    const { peer, transport, recorder } = await handWritten()
    const result = transport.startTls?.(receivingTls)
    const tls = tlsConnect({ socket: peer, servername: 'montague.example', rejectUnauthorized: false })
    tls.on('error', () => {})
    await result
    await new Promise(resolve => peer.write('<message>plain</message>', resolve))
    expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
    expect(recorder.messages).toEqual([])
  })
})

/** bytes: more than two kernels hold */
const PLENTY = 24 * 1024 * 1024
const hello = clientHello(Buffer.from('montague.example'))
const halfHello = hello.subarray(0, 40)

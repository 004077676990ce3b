import { connect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import {
  authority,
  backTo,
  dial,
  domain,
  frontDomain,
  LOOPBACK,
  resources,
  type TestFront,
  testFront,
} from '../../kit/fronts.ts'
import { Recorder } from '../../kit/transport-compliance.ts'
import { closeCodeOf, rawTls, rawWebSocket, upgradeRequest } from '../../kit/wire.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function running(...options: Parameters<typeof testFront>): Promise<TestFront> {
  const test = await testFront(...options)
  closing.push(() => test.front.close())
  return test
}

/** The names in the certificate that the front shows for a server name. */
function shown(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName ?? '')
      socket.destroy()
    })
  })
}

describe('certificates', () => {
  const wildcard = authority.issue({ dns: ['wild.example', '*.wild.example'] })
  const domains = [
    frontDomain('montague.example', {
      also: [domain('rooms.montague.example')],
      url: 'wss://edge.example/s2s',
    }),
    frontDomain('capulet.example'),
    frontDomain('wild.example', { from: wildcard }),
    frontDomain('münchen.example', { from: authority.issue({ dns: ['xn--mnchen-3ya.example'] }) }),
  ]

  it('are chosen by server name: domain, further domain, host of the URL, wildcard; else the first', async () => {
    const { port } = await running({ domains })
    for (const [servername, expected] of [
      ['montague.example', 'DNS:montague.example'],
      ['rooms.montague.example', 'DNS:montague.example'],
      ['edge.example', 'DNS:montague.example'],
      ['capulet.example', 'DNS:capulet.example'],
      ['CAPULET.example', 'DNS:capulet.example'],
      ['wild.example', 'DNS:wild.example, DNS:*.wild.example'],
      ['any.wild.example', 'DNS:wild.example, DNS:*.wild.example'],
      ['two.any.wild.example', 'DNS:montague.example'],
      ['xn--mnchen-3ya.example', 'DNS:xn--mnchen-3ya.example'],
      ['unknown.example', 'DNS:montague.example'],
      ['', 'DNS:montague.example'],
    ] as const) {
      expect(await shown(port, servername), servername).toBe(expected)
    }
  })

  it('change for new handshakes only', async () => {
    const { port, front, arrived } = await running({ domains })
    const { transport } = await dial(port)
    const { recorder } = await arrived()
    for (const name of ['montague.example', 'capulet.example']) {
      const next = authority.issue({ dns: [name, 'next.example'] })
      front.setCertificate(domain(name), { certificate: next.certificatePem, key: next.keyPem })
      expect(await shown(port, name)).toBe(`DNS:${name}, DNS:next.example`)
    }
    // The first domain's is also the one for peers without SNI.
    expect(await shown(port, '')).toBe('DNS:montague.example, DNS:next.example')
    expect(await shown(port, 'wild.example')).toContain('wild.example')
    transport.send('<still/>')
    await recorder.until(() => recorder.messages.length === 1)
    transport.abort()
  })

  it('stay where the new one cannot be used', async () => {
    const { port, front } = await running({ domains })
    const other = authority.issue({ dns: ['montague.example', 'other.example'] })
    const mismatch = { certificate: other.certificatePem, key: wildcard.keyPem }
    expect(() => front.setCertificate(domain('montague.example'), mismatch)).toThrow()
    expect(() => front.setCertificate(domain('montague.example'), { certificate: 'x', key: 'y' })).toThrow()
    const pair = { certificate: other.certificatePem, key: other.keyPem }
    expect(() => front.setCertificate(domain('verona.example'), pair)).toThrow(TypeError)
    expect(await shown(port, 'montague.example')).toBe('DNS:montague.example')
    expect(await shown(port, '')).toBe('DNS:montague.example')
  })

  it('are needed, and their keys must fit', async () => {
    await expect(testFront({ domains: [] })).rejects.toThrow(TypeError)
    const mismatch = frontDomain('montague.example', { key: wildcard.keyPem })
    await expect(testFront({ domains: [mismatch] })).rejects.toThrow()
  })
})

describe('life', () => {
  it('listens on every address it is given and tells which', async () => {
    const test = await running({
      listen: [LOOPBACK, { ...LOOPBACK, address: '::1' }],
    })
    expect(test.front.listening.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
    expect(test.events).toEqual(test.front.listening.map(at => ({ type: 'listening', ...at })))
  })

  it('rejects where an address is taken, and leaves nothing bound', async () => {
    const baseline = resources()
    const first = await testFront()
    const taken = { ...LOOPBACK, port: first.port }
    const free = { ...taken, port: 0 }
    await expect(testFront({ listen: [free, taken] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await first.front.close()
    await backTo(baseline)
  })

  it('once stopping: no new streams, health says so, streams stay; once closed: nothing is left', async () => {
    const baseline = resources()
    const test = await running()
    const asked = async (request: string) => {
      const peer = await rawTls(test.port)
      peer.write(request)
      const head = await peer.head()
      peer.destroy()
      return head
    }
    const status = async (request: string) => (await asked(request))?.status
    const health = 'GET /healthz HTTP/1.1\r\nHost: montague.example\r\n\r\n'
    expect(await status(health)).toBe(200)
    const { transport, recorder } = await dial(test.port)
    const atFront = (await test.arrived()).recorder
    test.front.stop()
    expect(await status(health)).toBe(503)
    // A restart takes a moment, and no more.
    expect(await asked(upgradeRequest())).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    transport.send('<still/>')
    await atFront.until(() => atFront.messages.length === 1)
    await Promise.all([test.front.close(), test.front.close()])
    expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
    await expect(rawTls(test.port)).rejects.toThrow()
    await backTo(baseline)
  })

  it('a transport whose owner throws is closed, and the front lives', async () => {
    const test = await running({
      limits: { closeMs: 200 },
      recorder: arrival => {
        if (arrival.target === '/s2s') throw new RangeError('a defect')
        return new Recorder()
      },
    })
    const peer = await rawWebSocket(test.port)
    const close = await peer.closeFrame()
    expect(close === null ? null : closeCodeOf(close)).toBe(1011)
    await peer.ended()
    expect(test.refusals()).toMatchObject([{ reason: 'internal', detail: 'RangeError: a defect' }])
  })
})

describe('places', () => {
  it('the oldest unauthenticated peer goes where there are too many', async () => {
    const test = await running({ limits: { unauthenticatedTotal: 2, closeMs: 200 } })
    const first = await rawWebSocket(test.port)
    const second = await rawWebSocket(test.port)
    let evicted = 0
    const arrival = test.arrivals[1]
    if (arrival !== undefined) {
      arrival.onEvict = () => {
        evicted += 1
        arrival.transport.close(1008)
      }
    }
    const third = await rawWebSocket(test.port)
    const close = await first.closeFrame()
    expect(close === null ? null : closeCodeOf(close)).toBe(1008)
    await first.ended()
    expect(evicted).toBe(0)
    test.arrivals[2]?.authenticated()
    const fourth = await rawWebSocket(test.port)
    expect(evicted).toBe(0)
    const fifth = await rawWebSocket(test.port)
    await second.ended()
    expect(evicted).toBe(1)
    expect(test.refusals().map(({ reason }) => reason)).toEqual(['limit', 'limit'])
    for (const peer of [third, fourth, fifth]) expect(peer.isEnded).toBe(false)
  })

  it('who has to go without having asked for anything is told of too', async () => {
    const test = await running({ limits: { unauthenticatedTotal: 1 } })
    const first = await rawTls(test.port)
    await rawTls(test.port)
    await first.ended()
    expect(test.refusals()).toMatchObject([
      { reason: 'limit', detail: 'its place was needed before it had authenticated' },
    ])
  })

  it('no more connections than there are places, whoever they are', async () => {
    const test = await running({ limits: { connections: 2 } })
    const first = await rawTls(test.port)
    const second = await rawTls(test.port)
    await expect(rawTls(test.port)).rejects.toThrow()
    first.destroy()
    second.destroy()
    await first.ended()
    // The place is free as soon as the front has seen the end.
    for (;;) {
      const third = await rawTls(test.port).catch(() => null)
      if (third !== null) break
    }
  })
})

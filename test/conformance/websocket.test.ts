import { execFile } from 'node:child_process'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import {
  type CloseCode,
  createTlsContext,
  type DialWebSocketOptions,
  dialWebSocket,
} from '../../src/transport/index.ts'
import { authority, dial, LOOPBACK, type TestFront, testFront } from '../kit/fronts.ts'
import { Recorder, turns } from '../kit/transport-compliance.ts'
import {
  acceptKey,
  answerUpgrade,
  closeCodeOf,
  closeFrame,
  frame,
  OPCODE,
  parseClientHello,
  type RawServer,
  rawTcp,
  rawTcpServer,
  rawTls,
  rawTlsServer,
  rawWebSocket,
  TEST_KEY,
  upgradeAnswer,
  upgradeRequest,
} from '../kit/wire.ts'

const serverCertificate = authority.issue({ dns: ['montague.example'] })
const secureContext = createTlsContext({ identity: null, ca: [authority.caPem] })

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function peerServer(): Promise<RawServer> {
  const server = await rawTlsServer({ cert: serverCertificate.certificatePem, key: serverCertificate.keyPem })
  closing.push(() => server.close())
  return server
}

async function running(...options: Parameters<typeof testFront>): Promise<TestFront> {
  const test = await testFront(...options)
  closing.push(() => test.front.close())
  return test
}

function attempt(port: number, more: Partial<DialWebSocketOptions<never>> = {}) {
  return dialWebSocket<never>({
    url: 'wss://montague.example/s2s',
    address: '127.0.0.1',
    port,
    servername: 'montague.example',
    secureContext,
    vet: () => null,
    limits: { ...defaultLimits, closeMs: 200 },
    clock: systemClock,
    signal: new AbortController().signal,
    ...more,
  })
}

/** Our initiating side, upgraded, with a raw peer at the other end. */
async function initiating(more: Partial<DialWebSocketOptions<never>> = {}) {
  const server = await peerServer()
  const dialled = attempt(server.port, more)
  const peer = await server.accept()
  const request = await answerUpgrade(peer)
  const result = await dialled
  if (!result.ok) throw new Error(JSON.stringify(result.failure))
  const recorder = new Recorder()
  result.transport.attach(recorder)
  closing.push(() => result.transport.abort())
  return { transport: result.transport, recorder, peer, request }
}

/** Our receiving side, upgraded, with a raw peer at the other end. */
async function receiving() {
  const test = await running({ limits: { closeMs: 200 } })
  const peer = await rawWebSocket(test.port)
  const { arrival, recorder } = await test.arrived()
  closing.push(() => peer.destroy())
  return { transport: arrival.transport, recorder, peer }
}

describe('upgrade, initiating side', () => {
  it('[WS-01] dials wss only', async () => {
    for (const url of [
      'ws://montague.example/s2s',
      'http://montague.example/',
      'https://montague.example/',
    ]) {
      expect(() => attempt(1, { url })).toThrow(TypeError)
    }
  })

  it('[WS-02 WS-06] asks by GET over HTTP/1.1 with all that RFC 6455 wants and the subprotocol xmpp', async () => {
    const keys = new Set<string>()
    for (let n = 0; n < 2; n++) {
      const { request } = await initiating()
      expect(request.line).toBe('GET /s2s HTTP/1.1')
      expect(request.headers).toMatchObject({
        host: 'montague.example',
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-version': '13',
        'sec-websocket-protocol': 'xmpp',
      })
      const key = request.headers['sec-websocket-key'] ?? ''
      expect(Buffer.from(key, 'base64')).toHaveLength(16)
      keys.add(key)
    }
    expect(keys.size).toBe(2)
  })

  it('[WS-04 WS-08] without the subprotocol, or with another, nothing is sent and the candidate has failed', async () => {
    for (const protocol of [null, 'foo', 'XMPP', 'xmpp, foo']) {
      const server = await peerServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      await answerUpgrade(peer, { headers: { 'Sec-WebSocket-Protocol': protocol } })
      expect(await dialled, String(protocol)).toMatchObject({
        ok: false,
        failure: { by: 'network', kind: 'http' },
      })
      await peer.ended()
      expect(peer.unread).toHaveLength(0)
    }
  })

  it('[WS-07] fails on a wrong or missing Sec-WebSocket-Accept', async () => {
    // TV-05
    expect(acceptKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    for (const change of ['flip', 'omit', 'case'] as const) {
      const server = await peerServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      const head = await peer.head()
      const right = acceptKey(head?.headers['sec-websocket-key'] ?? '')
      const wrong = {
        flip: (right.startsWith('A') ? 'B' : 'A') + right.slice(1),
        case: right === right.toLowerCase() ? right.toUpperCase() : right.toLowerCase(),
        omit: null,
      }[change]
      peer.write(upgradeAnswer('', { headers: { 'Sec-WebSocket-Accept': wrong } }))
      expect(await dialled, change).toMatchObject({ ok: false, failure: { kind: 'http' } })
      await peer.ended()
      expect(peer.unread).toHaveLength(0)
    }
  })

  it('[WS-08 WS-15] fails where an extension is named that was not offered; none is offered', async () => {
    for (const extension of ['permessage-deflate', 'x-foo', '']) {
      const server = await peerServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      const request = await answerUpgrade(peer, { headers: { 'Sec-WebSocket-Extensions': extension } })
      expect(request.headers).not.toHaveProperty('sec-websocket-extensions')
      expect(await dialled, extension).toMatchObject({ ok: false, failure: { kind: 'http' } })
    }
  })

  it('[WS-09] follows no redirect; any status but 101 is a failed candidate, Retry-After is kept', async () => {
    for (const [status, headers, expected] of [
      ['302 Found', { Location: 'wss://127.0.0.1/elsewhere' }, { status: 302 }],
      ['307 Temporary Redirect', { Location: '/elsewhere' }, { status: 307 }],
      ['200 OK', {}, { status: 200 }],
      ['404 Not Found', {}, { status: 404 }],
      ['429 Too Many Requests', { 'Retry-After': '7' }, { status: 429, retryAfterMs: 7_000 }],
      ['503 Service Unavailable', { 'Retry-After': 'soon' }, { status: 503 }],
    ] as const) {
      const server = await peerServer()
      const dialled = attempt(server.port)
      const peer = await server.accept()
      await peer.head()
      peer.write(
        upgradeAnswer('', {
          status,
          headers: { Upgrade: null, 'Sec-WebSocket-Accept': null, 'Content-Length': '0', ...headers },
        }),
      )
      const result = await dialled
      expect(result).toEqual({
        ok: false,
        failure: {
          by: 'network',
          kind: 'http',
          detail: expect.stringContaining(status.slice(0, 3)),
          ...expected,
        },
      })
      await peer.ended()
      expect(server.connections).toBe(1)
    }
    const date = new Date(Date.now() + 60_000).toUTCString()
    const server = await peerServer()
    const dialled = attempt(server.port)
    const peer = await server.accept()
    await peer.head()
    peer.write(`HTTP/1.1 503 Busy\r\nRetry-After: ${date}\r\nContent-Length: 0\r\n\r\n`)
    const result = await dialled
    const retryAfterMs = result.ok || !('retryAfterMs' in result.failure) ? 0 : result.failure.retryAfterMs
    expect(retryAfterMs).toBeGreaterThan(50_000)
    expect(retryAfterMs).toBeLessThan(61_000)
  })

  it('[WS-10] Host is the authority of the URL, whatever address and server name are', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const hello = attempt(server.port, {
      url: 'wss://edge.montague.example:8443/s2s',
      servername: 'sni.montague.example',
    })
    const raw = await server.accept()
    while (raw.unread.length === 0) await turns(1)
    expect(parseClientHello(raw.unread).serverName).toBe('sni.montague.example')
    raw.destroy()
    await hello
    const { request } = await initiating({
      url: 'wss://edge.montague.example:8443/s2s?x=1',
      servername: 'sni.montague.example',
    })
    expect(request.line).toBe('GET /s2s?x=1 HTTP/1.1')
    expect(request.headers['host']).toBe('edge.montague.example:8443')
  })

  it('[WS-11] sends no Origin unless told to', async () => {
    expect((await initiating()).request.headers).not.toHaveProperty('origin')
    const told = await initiating({ origin: 'https://capulet.example' })
    expect(told.request.headers['origin']).toBe('https://capulet.example')
  })

  it('[CT-12 WS-13] sends the server name it is given, none for an IP literal, and no ALPN', async () => {
    for (const [servername, sent] of [
      ['sni.montague.example', 'sni.montague.example'],
      ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
      ['127.0.0.1', null],
      ['::1', null],
      ['', null],
    ] as const) {
      const server = await rawTcpServer()
      closing.push(() => server.close())
      const dialled = attempt(server.port, { servername })
      const peer = await server.accept()
      while (peer.unread.length === 0) await turns(1)
      const hello = parseClientHello(peer.unread)
      expect(hello.serverName).toBe(sent)
      expect(hello.alpn).toBeNull()
      peer.destroy()
      expect(await dialled).toMatchObject({ ok: false, failure: { kind: 'tls' } })
    }
  })
})

describe('upgrade, receiving side', () => {
  it('[WS-01] only sockets under TLS are taken', async () => {
    const test = await running()
    const peer = await rawTcp(test.port)
    peer.write(upgradeRequest())
    expect((await peer.rest()).toString('latin1')).not.toContain('101')
    expect(test.arrivals).toEqual([])
  })

  it('[WS-03 WS-06 WS-07] answers 101 with exactly the subprotocol xmpp and the right key', async () => {
    const test = await running()
    for (const offered of ['xmpp', 'foo, xmpp', 'xmpp,foo']) {
      const peer = await rawTls(test.port)
      peer.write(upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': offered } }))
      const head = await peer.head()
      expect(head?.line).toBe('HTTP/1.1 101 Switching Protocols')
      expect(head?.headers).toEqual({
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
        'sec-websocket-protocol': 'xmpp',
      })
      peer.destroy()
    }
    expect(TEST_KEY).toBe('dGhlIHNhbXBsZSBub25jZQ==')
  })

  it('[WS-05] without the subprotocol no stream starts: 400', async () => {
    const test = await running()
    for (const protocol of [null, 'foo', '']) {
      const peer = await rawTls(test.port)
      peer.write(upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': protocol } }))
      expect((await peer.head())?.status).toBe(400)
      await peer.ended()
    }
    expect(test.arrivals).toEqual([])
  })

  it('[WS-06] refuses malformed upgrades: 400, 405, and 426 with the version that is spoken', async () => {
    const test = await running()
    const table: readonly (readonly [number, Parameters<typeof upgradeRequest>[0]])[] = [
      [400, { headers: { 'Sec-WebSocket-Key': null } }],
      [400, { headers: { 'Sec-WebSocket-Key': 'short' } }],
      [400, { headers: { Host: null } }],
      [400, { headers: { Upgrade: 'h2c' } }],
      [400, { version: 'HTTP/1.0' }],
      [405, { method: 'POST' }],
      [426, { headers: { 'Sec-WebSocket-Version': '8' } }],
      [426, { headers: { 'Sec-WebSocket-Version': null } }],
      [426, { headers: { Connection: 'keep-alive' } }],
    ]
    for (const [status, options] of table) {
      const peer = await rawTls(test.port)
      peer.write(upgradeRequest(options))
      const head = await peer.head()
      expect(head?.status).toBe(status)
      if (status === 426) expect(head?.headers['sec-websocket-version']).toBe('13')
      await peer.ended()
    }
    expect(test.arrivals).toEqual([])
  })

  it('[WS-11] takes peers with and without Origin', async () => {
    const test = await running()
    for (const lines of [[], ['Origin: https://capulet.example'], ['Origin: null']]) {
      const peer = await rawTls(test.port)
      peer.write(upgradeRequest({ lines }))
      expect((await peer.head())?.status).toBe(101)
      peer.destroy()
    }
  })

  it('[WS-13] takes peers that offer no ALPN, or http/1.1', async () => {
    const test = await running()
    for (const offer of [{}, { ALPNProtocols: ['http/1.1'] }]) {
      const peer = await rawWebSocket(test.port, offer)
      peer.destroy()
    }
    await expect(rawTls(test.port, { ALPNProtocols: ['h2'] })).rejects.toThrow()
  })

  it('[WS-15] accepts no compression that is offered', async () => {
    const test = await running()
    const peer = await rawTls(test.port)
    peer.write(
      upgradeRequest({ lines: ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] }),
    )
    const head = await peer.head()
    expect(head?.status).toBe(101)
    expect(head?.headers).not.toHaveProperty('sec-websocket-extensions')
    peer.destroy()
  })
})

for (const [role, make] of [
  ['initiating', initiating],
  ['receiving', receiving],
] as const) {
  describe(`frames, ${role} side`, () => {
    const masks = role === 'initiating'
    const theirs = { masked: !masks }

    it('[WS-14] masks as its role demands, and closes a peer that does not: 1002', async () => {
      const { transport, recorder, peer } = await make()
      transport.send('<a/>')
      transport.ping(1)
      expect((await peer.frame())?.masked).toBe(masks)
      expect((await peer.frame())?.masked).toBe(masks)
      peer.write(frame({ payload: '<wrong/>', masked: masks }))
      const close = await peer.closeFrame()
      expect(close === null ? null : closeCodeOf(close)).toBe(1002)
      expect(close?.masked).toBe(masks)
      await recorder.ended()
      expect(recorder.messages).toEqual([])
    })

    it('[WS-20] sends text; binary gets 1003 and broken UTF-8 1007', async () => {
      const { transport, peer } = await make()
      transport.send(Buffer.from('<é/>'))
      expect(await peer.frame()).toMatchObject({ opcode: OPCODE.text, payload: Buffer.from('<é/>') })
      for (const [code, bytes] of [
        [1003, frame({ opcode: OPCODE.binary, payload: '<a/>', ...theirs })],
        [1007, frame({ payload: Buffer.of(0xc3, 0x28), ...theirs })],
      ] as const) {
        const { peer: other, recorder } = await make()
        other.write(bytes)
        const close = await other.closeFrame()
        expect(close === null ? null : closeCodeOf(close)).toBe(code)
        await recorder.ended()
        expect(recorder.messages).toEqual([])
      }
    })

    it('[WS-26] never fragments, and takes what is fragmented', async () => {
      const { transport, recorder, peer } = await make()
      const long = `<m>${'x'.repeat(200_000)}</m>`
      transport.send(long)
      const sent = await peer.frame()
      expect(sent).toMatchObject({ fin: true, rsv: 0, opcode: OPCODE.text })
      expect(sent?.payload.length).toBe(long.length)
      peer.write(
        Buffer.concat([
          frame({ fin: false, payload: '<me', ...theirs }),
          frame({ fin: false, opcode: OPCODE.continuation, payload: 'ssa', ...theirs }),
          frame({ opcode: OPCODE.continuation, payload: 'ge/>', ...theirs }),
        ]),
      )
      await recorder.until(() => recorder.messages.length === 1)
      expect(recorder.texts).toEqual(['<message/>'])
    })

    it('[WS-48] closes with the code and reason it is told, the reason cut to 123 bytes', async () => {
      const codes: readonly CloseCode[] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011]
      for (const code of codes) {
        const { transport, recorder, peer } = await make()
        transport.close(code, 'é'.repeat(100))
        const close = await peer.closeFrame()
        expect(close === null ? null : closeCodeOf(close)).toBe(code)
        expect(close?.payload.length).toBeLessThanOrEqual(125)
        expect(close?.payload.subarray(2).toString()).toBe('é'.repeat(61))
        peer.write(closeFrame(code, '', theirs))
        expect(await recorder.ended()).toBeNull()
      }
    })

    it('[WS-48] answers every close; its code is no XMPP meaning, but is told', async () => {
      for (const [code, end] of [
        [1000, null],
        [1001, null],
        [1005, null],
        [1011, { by: 'network', kind: 'closed', detail: expect.stringContaining('1011: broken') }],
        [4000, { by: 'network', kind: 'closed', detail: expect.stringContaining('4000: broken') }],
      ] as const) {
        const { recorder, peer } = await make()
        peer.write(
          code === 1005 ? frame({ opcode: OPCODE.close, ...theirs }) : closeFrame(code, 'broken', theirs),
        )
        const close = await peer.closeFrame()
        expect(close === null ? null : closeCodeOf(close)).toBe(code)
        if (role === 'initiating') peer.socket.end()
        expect(await recorder.ended()).toEqual(end)
      }
    })

    it('[WS-62] answers a ping with its payload, and sends no pong unasked', async () => {
      const { transport, recorder, peer } = await make()
      peer.write(frame({ opcode: OPCODE.ping, payload: 'are you there?', ...theirs }))
      expect(await peer.frame()).toMatchObject({
        opcode: OPCODE.pong,
        payload: Buffer.from('are you there?'),
      })
      // WS-61: a liveness probe is a ping
      transport.ping(1)
      expect(await peer.frame()).toMatchObject({ opcode: OPCODE.ping })
      const before = recorder.activities
      peer.write(frame({ opcode: OPCODE.pong, ...theirs }))
      await recorder.until(() => recorder.activities > before)
      transport.send('<a/>')
      // Nothing has come between: no pong for a pong, no empty text.
      expect(await peer.frame()).toMatchObject({ opcode: OPCODE.text, payload: Buffer.from('<a/>') })
      expect(peer.unread).toHaveLength(0)
    })
  })
}

describe('TLS', () => {
  it('[WS-50] ends TCP with close_notify, by whichever side closes', async () => {
    const test = await running({ limits: { closeMs: 1_000 } })
    for (const closer of ['front', 'peer'] as const) {
      // TLS 1.2, because its alerts can be told from data: what a relay sees ends with one.
      const { records, peer } = await throughRelay(test.port)
      const { arrival, recorder } = await test.arrived()
      if (closer === 'front') {
        arrival.transport.close(1000)
        await peer.closeFrame()
      }
      peer.write(closeFrame(1000))
      await recorder.ended()
      await peer.ended()
      expect(records().at(-1), closer).toBe(ALERT)
    }
  })

  it('[WS-66] refuses TLS 1.1 and speaks 1.2 and 1.3 with AEAD and forward secrecy, without renegotiation', async () => {
    const test = await running()
    for (const version of ['-tls1', '-tls1_1']) {
      const { stdout, code } = await openssl(test.port, [version, '-cipher', 'ALL:@SECLEVEL=0'])
      expect(code, version).not.toBe(0)
      expect(stdout).toMatch(/Cipher is \(NONE\)|Cipher\s*: 0000/)
    }
    const weak = await openssl(test.port, [
      '-tls1_2',
      '-cipher',
      'AES128-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA',
    ])
    expect(weak.stdout).toMatch(/Cipher is \(NONE\)|Cipher\s*: 0000/)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const peer = await rawTls(test.port, { minVersion: version, maxVersion: version })
      expect(peer.socket.getProtocol()).toBe(version)
      expect(peer.socket.getCipher().name).toMatch(/GCM|CHACHA20/)
      if (version === 'TLSv1.2') {
        const refused = await new Promise<Error | null>(resolve => {
          peer.socket.once('error', resolve)
          peer.socket.once('close', () => resolve(new Error('closed')))
          peer.socket.renegotiate({}, error => resolve(error))
        })
        expect(refused).toBeInstanceOf(Error)
      }
      peer.destroy()
    }
  })

  it('[WS-66] dials nobody who speaks less than TLS 1.2', async () => {
    const old = await rawTlsServer({
      cert: serverCertificate.certificatePem,
      key: serverCertificate.keyPem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    })
    closing.push(() => old.close())
    expect(await attempt(old.port)).toMatchObject({ ok: false, failure: { by: 'network', kind: 'tls' } })
  })

  it('[CT-15] a peer without a client certificate is served, and its facts say so', async () => {
    const test = await running()
    await dial(test.port)
    const { arrival } = await test.arrived()
    expect(arrival.transport.facts.tls).toMatchObject({ chain: [], nodeVerdict: 'none' })
    arrival.transport.abort()
  })

  it('[CT-16] a listener asks for client certificates unless it is shared with browsers', async () => {
    for (const [clientCertificates, length] of [
      ['request', 2],
      ['off', 0],
    ] as const) {
      const test = await running({ listen: [{ ...LOOPBACK, clientCertificates }] })
      await dial(test.port, { certificate: authority.issue({ dns: ['capulet.example'] }) })
      const { arrival } = await test.arrived()
      expect(arrival.transport.facts.tls?.chain).toHaveLength(length)
      arrival.transport.abort()
    }
  })

  it('[CT-22] nothing resumes, over TLS 1.2 and 1.3, with or without SNI', async () => {
    const test = await running()
    const identity = authority.issue({ dns: ['capulet.example'] }).secureContextOptions
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const servername of ['montague.example', '']) {
        const options = { ...identity, minVersion: version, maxVersion: version, servername }
        const first = await rawTls(test.port, options)
        const sessions: Buffer[] = []
        first.socket.on('session', session => sessions.push(session))
        first.write(upgradeRequest())
        await first.head()
        const session = sessions.at(-1) ?? first.socket.getSession()
        first.destroy()
        const again = connectTls({
          host: '127.0.0.1',
          port: test.port,
          rejectUnauthorized: false,
          ...options,
          ...(session === undefined ? {} : { session }),
        })
        await new Promise((resolve, reject) => again.once('secureConnect', resolve).once('error', reject))
        expect(again.isSessionReused(), `${version} ${servername}`).toBe(false)
        again.destroy()
      }
    }
    const tickets = await openssl(test.port, ['-tls1_3', '-reconnect'])
    expect(tickets.stdout).not.toContain('Reused')
  })
})

const ALERT = 21

/** A raw WebSocket through a relay that notes the types of the TLS records which the front sends. */
async function throughRelay(port: number) {
  const relay = await rawTcpServer()
  closing.push(() => relay.close())
  const connecting = rawWebSocket(relay.port, { maxVersion: 'TLSv1.2' })
  const outer = await relay.accept()
  const inner = await rawTcp(port)
  inner.write(outer.unread)
  outer.socket.pipe(inner.socket)
  inner.socket.pipe(outer.socket)
  const peer = await connecting
  const records = () => {
    const types: number[] = []
    const bytes = inner.unread
    for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3))
      types.push(bytes.readUInt8(at))
    return types
  }
  return { peer, records }
}

function openssl(port: number, args: readonly string[]): Promise<{ stdout: string; code: number }> {
  return new Promise(resolve => {
    const child = execFile(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'montague.example', ...args],
      (error, stdout) => resolve({ stdout, code: error === null ? 0 : 1 }),
    )
    child.stdin?.end()
  })
}

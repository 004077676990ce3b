import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Transport } from '../../src/transport/index.ts'
import { backTo, dial, resources, type TestFront, testFront } from '../kit/fronts.ts'
import type { Recorder } from '../kit/transport-compliance.ts'
import { acceptKey, clientHello, rawTcp, rawTls, TEST_KEY, upgradeRequest } from '../kit/wire.ts'

// What a peer may ask over HTTP that is wrong, or looks wrong to one parser and right to another: one answer, then the
// connection is closed, so that no proxy keeps a tunnel and no second request is found in the first.

const get = (target: string, ...lines: string[]) =>
  [`GET ${target} HTTP/1.1`, 'Host: montague.example', ...lines, '', ''].join('\r\n')
const headers = (changes: Record<string, string | null>) => upgradeRequest({ headers: changes })
const lines = (...more: string[]) => upgradeRequest({ lines: more })
const target = (path: string) => upgradeRequest({ target: path })
const many = (count: number) => Array.from({ length: count }, (_, n) => `X-Field-${n}: x`)
const ANSWER = /HTTP\/1\.\d \d/
const smuggled = get('/healthz')

const refused: readonly (readonly [title: string, status: number, request: string])[] = [
  // -- the upgrade itself
  ['no subprotocol', 400, headers({ 'Sec-WebSocket-Protocol': null })],
  ['an empty subprotocol', 400, headers({ 'Sec-WebSocket-Protocol': '' })],
  ['another subprotocol', 400, headers({ 'Sec-WebSocket-Protocol': 'foo' })],
  ['the subprotocol in other letters', 400, headers({ 'Sec-WebSocket-Protocol': 'XMPP' })],
  ['the subprotocol twice', 400, headers({ 'Sec-WebSocket-Protocol': 'xmpp, xmpp' })],
  ['a subprotocol that is no token', 400, headers({ 'Sec-WebSocket-Protocol': 'xmpp, a b' })],
  ['subprotocols of 8 000 commas', 400, headers({ 'Sec-WebSocket-Protocol': `xmpp${','.repeat(7_000)}` })],
  ['no version', 426, headers({ 'Sec-WebSocket-Version': null })],
  ['version 8', 426, headers({ 'Sec-WebSocket-Version': '8' })],
  ['version 14', 426, headers({ 'Sec-WebSocket-Version': '14' })],
  ['two versions', 426, headers({ 'Sec-WebSocket-Version': '13, 8' })],
  ['a version of words', 426, headers({ 'Sec-WebSocket-Version': 'thirteen' })],
  ['no key', 400, headers({ 'Sec-WebSocket-Key': null })],
  ['a key of 15 bytes', 400, headers({ 'Sec-WebSocket-Key': 'MTIzNDU2Nzg5MDEyMzQ1' })],
  ['a key of 17 bytes', 400, headers({ 'Sec-WebSocket-Key': 'MTIzNDU2Nzg5MDEyMzQ1Njc=' })],
  ['a key that is no base64', 400, headers({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j*Q==' })],
  ['a key with loose bits', 400, headers({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZZ==' })],
  ['two keys', 400, lines(`Sec-WebSocket-Key: ${TEST_KEY}`)],
  ['an upgrade to h2c', 400, headers({ Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' })],
  ['an upgrade to h2c or websocket', 400, headers({ Upgrade: 'h2c, websocket' })],
  ['an upgrade by POST', 405, upgradeRequest({ method: 'POST' })],
  ['an upgrade by PUT', 405, upgradeRequest({ method: 'PUT' })],
  ['an upgrade by HEAD', 405, upgradeRequest({ method: 'HEAD' })],
  ['an upgrade over HTTP/1.0', 400, upgradeRequest({ version: 'HTTP/1.0' })],
  ['no upgrade at all', 426, get('/s2s')],
  ['an Upgrade header without Connection', 426, headers({ Connection: null })],
  ['a POST without upgrade', 405, 'POST /s2s HTTP/1.1\r\nHost: montague.example\r\n\r\n'],
  // -- where it goes
  ['another path', 404, target('/')],
  ['the path in other letters', 404, target('/S2S')],
  ['the path with a slash', 404, target('/s2s/')],
  ['the path with a query', 404, target('/s2s?x')],
  ['the path with a parameter', 404, target('/s2s;x')],
  ['the path with a fragment', 404, target('/s2s#x')],
  ['an encoded path', 404, target('/%73%32%73')],
  ['an encoded NUL', 404, target('/s2s%00')],
  ['dots', 404, target('/x/../s2s')],
  ['two slashes', 400, target('//s2s')],
  ['a host in the path', 400, target('//internal.example/s2s')],
  ['absolute form', 400, target('https://internal.example/s2s')],
  ['absolute form of ourselves', 400, target('wss://montague.example/s2s')],
  ['asterisk form', 400, upgradeRequest({ method: 'OPTIONS', target: '*' })],
  ['authority form', 400, 'CONNECT internal.example:443 HTTP/1.1\r\nHost: internal.example:443\r\n\r\n'],
  ['authority form with GET', 400, target('internal.example:443')],
  // -- headers
  ['no Host', 400, headers({ Host: null })],
  ['two Hosts', 400, lines('Host: capulet.example')],
  ['two equal Hosts', 400, lines('Host: montague.example')],
  ['65 header fields', 431, get('/healthz', ...many(64))],
  ['500 header fields', 431, get('/healthz', ...many(500).map((_, n) => `a${n}: x`))],
  ['a head of 9 KiB', 431, get('/healthz', `X-Long: ${'x'.repeat(9 * 1024)}`)],
  ['a target of 9 KiB', 431, get(`/${'x'.repeat(9 * 1024)}`)],
  ['a space before the colon', 400, get('/healthz', 'X-Field : x')],
  ['a folded header', 400, get('/healthz', 'X-Field: a', ' b')],
  ['a NUL in a header', 400, get('/healthz', 'X-Field: a\0b')],
  ['a header without a name', 400, get('/healthz', ': x')],
  ['a header name with a bracket', 400, get('/healthz', 'X(Field): x')],
  ['bare line feeds', 400, 'GET /healthz HTTP/1.1\nHost: montague.example\n\n'],
  ['one bare line feed', 400, 'GET /healthz HTTP/1.1\r\nHost: montague.example\nX: x\r\n\r\n'],
  ['a bare carriage return', 400, get('/healthz', 'X-Field: a\rX-Other: b')],
  ['an expectation', 417, get('/healthz', 'Expect: miracles')],
  // -- bodies, where two parsers may disagree on the end
  ['an upgrade with a body', 400, `${lines('Content-Length: 5')}hello`],
  ['an upgrade with a chunked body', 400, `${lines('Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['a GET with a body', 400, `${get('/healthz', `Content-Length: ${smuggled.length}`)}${smuggled}`],
  [
    'Content-Length and Transfer-Encoding',
    400,
    `${get('/healthz', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`,
  ],
  [
    'two Content-Lengths',
    400,
    `${get('/healthz', 'Content-Length: 0', `Content-Length: ${smuggled.length}`)}${smuggled}`,
  ],
  ['a negative Content-Length', 400, get('/healthz', 'Content-Length: -1')],
  ['a Content-Length with a sign', 400, get('/healthz', 'Content-Length: +0')],
  ['a Content-Length of 2^64', 400, get('/healthz', 'Content-Length: 18446744073709551616')],
  ['an unknown transfer encoding', 400, get('/healthz', 'Transfer-Encoding: xchunked')],
  ['a hidden transfer encoding', 400, get('/healthz', 'Transfer-Encoding: chunked, identity')],
  [
    'two transfer encodings',
    400,
    get('/healthz', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
  ],
  ['chunk extensions', 400, `${get('/healthz', 'Transfer-Encoding: chunked')}1;${'x'.repeat(2_000)}\r\n`],
  // -- no HTTP/1.1
  ['HTTP/2', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/9.9', 400, 'GET /healthz HTTP/9.9\r\nHost: montague.example\r\n\r\n'],
  ['HTTP/0.9', 400, 'GET /healthz\r\n\r\n'],
  ['an unknown method', 400, 'GRAB /healthz HTTP/1.1\r\nHost: montague.example\r\n\r\n'],
  ['no words at all', 400, '\0\x01\x02\x03\r\n\r\n'],
]

const taken: readonly (readonly [title: string, status: number, request: string])[] = [
  ['the upgrade', 101, upgradeRequest()],
  ['xmpp among others', 101, headers({ 'Sec-WebSocket-Protocol': 'foo, xmpp, bar' })],
  ['an Origin (DECISIONS 21)', 101, lines('Origin: https://capulet.example')],
  [
    'compression, unanswered',
    101,
    lines('Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'),
  ],
  ['extensions of nonsense, unanswered', 101, lines('Sec-WebSocket-Extensions: ;;,=')],
  ['an upgrade for a foreign Host', 101, headers({ Host: 'edge.example:8443' })],
  ['a header named __proto__', 200, get('/healthz', '__proto__: x', 'constructor: y')],
  ['64 header fields', 200, get('/healthz', ...many(63))],
  ['an empty body', 200, get('/healthz', 'Content-Length: 0')],
  ['numeric header names', 200, get('/healthz', '1: x', '2: y')],
  // RFC 9112 §3: a recipient may go by words
  ['two spaces', 200, 'GET  /healthz HTTP/1.1\r\nHost: montague.example\r\n\r\n'],
  ['HTTP/1.0', 200, 'GET /healthz HTTP/1.0\r\nHost: montague.example\r\n\r\n'],
]

describe('HTTP of a hostile peer', () => {
  let test: TestFront
  let canary: Transport
  let atFront: Recorder

  beforeAll(async () => {
    test = await testFront({ limits: { closeMs: 200 } })
    ;({ transport: canary } = await dial(test.port))
    atFront = (await test.arrived()).recorder
  })

  afterAll(async () => {
    canary.abort()
    await test.front.close()
  })

  async function canarySings(): Promise<void> {
    const before = atFront.messages.length
    canary.send('<canary/>')
    await atFront.until(() => atFront.messages.length > before)
    expect(atFront.ends).toEqual([])
  }

  for (const [title, status, request] of refused) {
    it(`${title}: ${status}, closed`, async () => {
      const baseline = resources()
      const [arrivals, refusals] = [test.arrivals.length, test.refusals().length]
      const peer = await rawTls(test.port)
      peer.write(request)
      const head = await peer.head()
      expect(head?.status).toBe(status)
      expect(head?.headers['connection']).toBe('close')
      if (status === 426) expect(head?.headers['sec-websocket-version']).toBe('13')
      if (status === 405) expect(head?.headers['allow']).toBe('GET')
      expect(head?.headers).not.toHaveProperty('server')
      expect(head?.headers).not.toHaveProperty('access-control-allow-origin')
      // No second request is answered out of the first.
      const rest = (await peer.rest()).toString()
      expect(rest).not.toMatch(ANSWER)
      expect(rest.length).toBeLessThan(100)
      expect(test.arrivals).toHaveLength(arrivals)
      const refusal = test.refusals().slice(refusals)
      expect(refusal).toMatchObject([{ reason: 'http', status, address: '127.0.0.1' }])
      await canarySings()
      await backTo(baseline)
    })
  }

  for (const [title, status, request] of taken) {
    it(`${title}: ${status}`, async () => {
      const refusals = test.refusals().length
      const peer = await rawTls(test.port)
      peer.write(request)
      const head = await peer.head()
      expect(head?.status).toBe(status)
      expect(head?.headers).not.toHaveProperty('sec-websocket-extensions')
      if (status === 101) {
        expect(head?.headers['sec-websocket-protocol']).toBe('xmpp')
        expect(head?.headers['sec-websocket-accept']).toBe(acceptKey(TEST_KEY))
      }
      expect(test.refusals()).toHaveLength(refusals)
      peer.destroy()
      await canarySings()
    })
  }

  it('a refused request is the last of its connection', async () => {
    for (const first of [get('/healthz', 'Expect: miracles'), target('/wrong'), get('/s2s')]) {
      const [arrivals, baseline] = [test.arrivals.length, resources()]
      const peer = await rawTls(test.port)
      peer.write(first + upgradeRequest() + get('/healthz'))
      const head = await peer.head()
      expect(head?.status).toBeGreaterThanOrEqual(400)
      expect((await peer.rest()).toString()).not.toMatch(ANSWER)
      expect(test.arrivals).toHaveLength(arrivals)
      await backTo(baseline)
    }
    await canarySings()
  })

  it('the answer to a refused upgrade is not lost to who keeps sending', async () => {
    const baseline = resources()
    const peer = await rawTls(test.port)
    const errors: Error[] = []
    peer.socket.on('error', error => errors.push(error))
    peer.write(target('/wrong'))
    peer.write(Buffer.alloc(4 * 1024 * 1024))
    expect((await peer.head())?.status).toBe(404)
    await new Promise(resolve => peer.socket.once('close', resolve))
    expect(errors).toEqual([])
    await backTo(baseline)
  })

  it('a plaintext request to the TLS port is refused, with an event', async () => {
    const refusals = test.refusals().length
    const peer = await rawTcp(test.port)
    peer.write(upgradeRequest())
    const answer = await peer.rest()
    expect(answer.toString('latin1')).not.toContain('101')
    expect(test.refusals().slice(refusals)).toMatchObject([{ reason: 'tls' }])
    await canarySings()
  })

  it('no server name can throw', async () => {
    const label = (length: number) => Buffer.alloc(length, 'a')
    const names: readonly (readonly [name: Uint8Array, accepted: boolean | null])[] = [
      [Buffer.from('montague.example'), true],
      [Buffer.from('unknown.example'), true],
      [Buffer.from('MONTAGUE.EXAMPLE.'), true],
      [Buffer.from('127.0.0.1'), true],
      [Buffer.from('[::1]'), true],
      [Buffer.from('xn--mnchen-3ya.example'), true],
      [Buffer.from('münchen.example'), true],
      [Buffer.of(0xff, 0xfe, 0x80), true],
      [Buffer.from('*.example'), true],
      [Buffer.from('.'), true],
      [Buffer.from('__proto__'), true],
      [Buffer.from("x', DNS:montague.example"), true],
      [label(255), true],
      // OpenSSL refuses these by itself.
      [Buffer.from('a\0.example'), false],
      [label(256), false],
      [Buffer.alloc(0), null],
    ]
    for (const [name, accepted] of names) {
      const baseline = resources()
      const peer = await rawTcp(test.port)
      peer.write(clientHello(name))
      while (peer.bytesRead === 0 && !peer.isEnded) await new Promise(resolve => setImmediate(resolve))
      // 22: ServerHello follows; 21: an alert
      if (accepted !== null)
        expect([...peer.unread.subarray(0, 1)], name.toString()).toEqual([accepted ? 22 : 21])
      peer.destroy()
      await backTo(baseline)
    }
    await canarySings()
  })

  it('no ALPN offer can throw; h2 alone is not spoken', async () => {
    const many = Array.from({ length: 255 }, (_, n) => `p${n}`)
    for (const [offer, ok] of [
      [['h2'], false],
      [['h2', 'http/1.1'], true],
      [['http/1.1'], true],
      [many, false],
      [[...many, 'http/1.1'], true],
    ] as const) {
      const attempt = rawTls(test.port, { ALPNProtocols: [...offer] })
      if (ok) {
        const peer = await attempt
        expect(peer.socket.alpnProtocol).toBe('http/1.1')
        peer.destroy()
      } else await expect(attempt).rejects.toThrow()
    }
    await canarySings()
  })

  it('who leaves in the middle of anything leaves nothing behind', async () => {
    const baseline = resources()
    const refusals = test.refusals().length
    const half = upgradeRequest().slice(0, 60)
    for (const bytes of ['', half, upgradeRequest()]) {
      const peer = await rawTls(test.port)
      if (bytes !== '') await peer.flush(bytes)
      peer.destroy()
    }
    const hello = clientHello(Buffer.from('montague.example'))
    for (const bytes of [Buffer.alloc(0), hello.subarray(0, 20), hello]) {
      const peer = await rawTcp(test.port)
      if (bytes.length > 0) await peer.flush(bytes)
      peer.socket.resetAndDestroy()
    }
    await canarySings()
    await backTo(baseline)
    expect(test.refusals()).toHaveLength(refusals)
  })
})

describe('slow peers before the upgrade', () => {
  const limits = { closeMs: 200, httpHeadersMs: 150, httpCheckMs: 20, tlsHandshakeMs: 150, httpIdleMs: 150 }

  it('a request head that never ends, or dribbles: 408, closed', async () => {
    const test = await testFront({ limits })
    for (const dribble of [false, true]) {
      const peer = await rawTls(test.port)
      peer.write('GET / HTTP/1.1\r\n')
      const timer = dribble ? setInterval(() => peer.write('X: x\r\n'), 20) : undefined
      expect((await peer.head())?.status).toBe(408)
      await peer.ended()
      clearInterval(timer)
    }
    expect(test.refusals()).toMatchObject([{ status: 408 }, { status: 408 }])
    await test.front.close()
  })

  it('silence after the TLS handshake, or after a request: closed', async () => {
    const test = await testFront({ limits })
    const silent = await rawTls(test.port)
    await silent.ended()
    const idle = await rawTls(test.port)
    idle.write(get('/healthz'))
    expect((await idle.head())?.status).toBe(200)
    await idle.ended()
    await test.front.close()
  })

  it('a ClientHello that never comes, or not whole: closed, with an event', async () => {
    const test = await testFront({ limits })
    for (const bytes of [Buffer.alloc(0), clientHello(Buffer.from('montague.example')).subarray(0, 30)]) {
      const peer = await rawTcp(test.port)
      if (bytes.length > 0) peer.write(bytes)
      await peer.ended()
    }
    expect(test.refusals()).toMatchObject([{ reason: 'tls' }, { reason: 'tls' }])
    await test.front.close()
  })
})

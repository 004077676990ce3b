import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ask, type Backend, backend, proxyFront } from '../kit/backends.ts'
import { backTo, resources, type TestFront } from '../kit/fronts.ts'
import { rawTcpServer, rawTls, upgradeRequest } from '../kit/wire.ts'

// Requests that two parsers may read differently, sent through us to a server behind: refused with 400, the connection
// closed, and nothing of them seen behind. And what a hostile client or server may cost.

const at = (target: string, ...lines: string[]) =>
  [`POST ${target} HTTP/1.1`, 'Host: montague.example', ...lines, '', ''].join('\r\n')
const post = (...lines: string[]) => at('/x', ...lines)
const smuggled = 'GET /x/smuggled HTTP/1.1\r\nHost: montague.example\r\n\r\n'
const upgrade = (options: Parameters<typeof upgradeRequest>[0]) =>
  upgradeRequest({ target: '/x', ...options })
const ANSWER = /HTTP\/1\.\d \d/
const MIB = 1024 * 1024

const refused: readonly (readonly [title: string, status: number, request: string])[] = [
  [
    'Content-Length and Transfer-Encoding',
    400,
    `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`,
  ],
  [
    'Transfer-Encoding and Content-Length',
    400,
    `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n${smuggled}`,
  ],
  ['two lengths', 400, `${post('Content-Length: 0', `Content-Length: ${smuggled.length}`)}${smuggled}`],
  ['two equal lengths', 400, `${post('Content-Length: 3', 'Content-Length: 3')}abc`],
  ['two lengths in a line', 400, `${post('Content-Length: 3, 3')}abc`],
  ['a length with a sign', 400, `${post('Content-Length: +3')}abc`],
  ['a negative length', 400, post('Content-Length: -1')],
  ['a length in hexadecimal', 400, `${post('Content-Length: 0x3')}abc`],
  ['a length with a space', 400, `${post('Content-Length: 3 4')}abc`],
  ['a length of nothing', 400, post('Content-Length:')],
  ['a length of 2^64', 400, post('Content-Length: 18446744073709551617')],
  [
    'a length with an underscore beside chunks',
    400,
    `${post('Transfer-Encoding: chunked', 'Content-Length : 3')}`,
  ],
  ['an unknown transfer encoding', 400, `${post('Transfer-Encoding: xchunked')}0\r\n\r\n`],
  ['chunked, but not last', 400, `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n`],
  ['gzip and chunked', 400, `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
  ['identity', 400, `${post('Transfer-Encoding: identity')}abc`],
  ['chunked twice', 400, `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['chunked after a tab', 400, `${post('Transfer-Encoding:\tchunked', 'Content-Length: 3')}0\r\n\r\n`],
  ['chunked after a vertical tab', 400, `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`],
  ['a space before the colon', 400, `${post('Transfer-Encoding : chunked')}0\r\n\r\n`],
  ['a folded encoding', 400, `${post('Transfer-Encoding:', ' chunked')}0\r\n\r\n`],
  ['a folded header', 400, post('X-Field: a', ' b')],
  ['a folded first header', 400, 'POST /x HTTP/1.1\r\n Host: montague.example\r\n\r\n'],
  ['bare line feeds', 400, 'POST /x HTTP/1.1\nHost: montague.example\n\n'],
  ['one bare line feed', 400, 'POST /x HTTP/1.1\r\nHost: montague.example\nX: x\r\n\r\n'],
  ['a bare carriage return', 400, post('X-Field: a\rX-Other: b')],
  ['a NUL in a value', 400, post('X-Field: a\0b')],
  ['a NUL in a name', 400, post('X-\0Field: a')],
  ['a header without a name', 400, post(': x')],
  ['chunks of HTTP/1.0', 400, 'POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['two Hosts', 400, post('Host: capulet.example')],
  ['no Host', 400, 'POST /x HTTP/1.1\r\n\r\n'],
  ['Connection that names the length', 400, `${post('Connection: Content-Length', 'Content-Length: 3')}abc`],
  ['Connection that names the Host', 400, post('Connection: close, hOst')],
  [
    'Connection that names the encoding',
    400,
    `${post('Connection: transfer-encoding', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ],
  ['an expectation of miracles', 417, post('Expect: miracles')],
  ['65 header fields', 431, post(...Array.from({ length: 64 }, (_, n) => `X-${n}: x`))],
  ['a head of 9 KiB', 431, post(`X: ${'x'.repeat(9 * 1024)}`)],
  // -- the path
  ['absolute form', 400, at('http://internal.example/x')],
  ['absolute form of ourselves', 400, at('https://montague.example/x')],
  ['two slashes first', 400, at('//x/x')],
  ...[
    '/x/..',
    '/x/../healthz',
    '/x/./y',
    '/x/.',
    '/x/%2e%2e/admin',
    '/x/.%2E/admin',
    '/x/..%2fadmin',
    '/x/%2f..%2fadmin',
    '/x/..%5cadmin',
    '/x/\\..\\admin',
    '/x/..;/admin',
    '/x/..%3b/admin',
    '/x/%252e%252e/admin',
    '/x/%u002e%u002e/admin',
    '/x/%zz',
    '/x/%',
    '/x/a%00b',
    '/x/#/../admin',
    '/x/?#',
  ].map(target => [`the path ${target}`, 400, at(target)] as const),
  // -- the upgrade
  ['an upgrade with a body', 400, `${upgrade({ lines: ['Content-Length: 5'] })}hello`],
  ['an upgrade with chunks', 400, `${upgrade({ lines: ['Transfer-Encoding: chunked'] })}0\r\n\r\n`],
  ['an upgrade by POST', 405, upgrade({ method: 'POST' })],
  ['an upgrade over HTTP/1.0', 400, upgrade({ version: 'HTTP/1.0' })],
  ['an upgrade to h2c', 400, upgrade({ headers: { Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' } })],
  ['an upgrade to h2c or websocket', 400, upgrade({ headers: { Upgrade: 'h2c, websocket' } })],
  ['an upgrade below dots', 400, upgrade({ target: '/x/../admin' })],
  ['CONNECT', 400, 'CONNECT internal.example:443 HTTP/1.1\r\nHost: internal.example:443\r\n\r\n'],
]

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

describe('requests that are two', () => {
  let server: Backend
  let test: TestFront

  beforeAll(async () => {
    server = await backend()
    test = await proxyFront({ '/x': server.url }, { limits: { closeMs: 200 } })
  })

  afterAll(async () => {
    await test.front.close()
    await server.close()
  })

  for (const [title, status, request] of refused) {
    it(`${JSON.stringify(title).slice(1, -1)}: ${status}, closed, not passed on`, async () => {
      const baseline = resources()
      const [seen, refusals] = [server.requests.length, test.refusals().length]
      const peer = await rawTls(test.port)
      peer.write(request)
      // Were the end of the first taken for elsewhere, this would be one more.
      peer.write(smuggled)
      const head = await peer.head()
      expect(head?.status).toBe(status)
      expect(head?.headers['connection']).toBe('close')
      expect((await peer.rest()).toString()).not.toMatch(ANSWER)
      expect(server.requests).toHaveLength(seen)
      expect(test.refusals().slice(refusals)).toMatchObject([{ reason: 'http', status }])
      await backTo(baseline)
    })
  }

  it('a bad chunk ends it where it is: 400, closed, and behind nothing that has an end', async () => {
    for (const chunk of [
      'zz\r\n',
      '3\r\nabcd\r\n',
      '-1\r\n',
      '0x3\r\nabc\r\n',
      '3\nabc\r\n',
      'fffffffffffffffff\r\n',
    ]) {
      const seen = server.requests.length
      const peer = await rawTls(test.port)
      peer.write(`${post('Transfer-Encoding: chunked')}3\r\nabc\r\n`)
      await until(() => server.requests.length > seen)
      const behind = server.requests.at(-1) as IncomingMessage
      behind.on('error', () => {})
      peer.write(chunk + smuggled)
      expect(await peer.head(), chunk).toMatchObject({ status: 400, headers: { connection: 'close' } })
      expect((await peer.rest()).toString()).not.toMatch(ANSWER)
      await until(() => behind.destroyed)
      expect(behind.complete).toBe(false)
      expect(server.requests).toHaveLength(seen + 1)
    }
  })

  it('a bad chunk in the middle of the answer: cut, with no second answer in the first', async () => {
    const held: ServerResponse[] = []
    const slow = await backend((request, response) => {
      request.on('error', () => {})
      response.write('begun')
      held.push(response)
    })
    closing.push(() => slow.close())
    const other = await proxyFront({ '/x': slow.url }, { limits: { closeMs: 200 } })
    closing.push(() => other.front.close())
    const peer = await rawTls(other.port)
    peer.write(`${post('Transfer-Encoding: chunked')}3\r\nabc\r\n`)
    expect((await peer.head())?.status).toBe(200)
    await until(() => peer.unread.includes('begun'))
    peer.write('zz\r\n')
    expect((await peer.rest()).toString()).not.toMatch(ANSWER)
    await until(() => slow.connected() === 0)
  })

  it('a body whose rest looks like a request stays a body', async () => {
    const seen = server.requests.length
    const peer = await rawTls(test.port)
    peer.write(`${post(`Content-Length: ${smuggled.length}`)}${smuggled}`)
    expect((await peer.head())?.status).toBe(200)
    await until(() => peer.unread.includes('smuggled'))
    expect(server.requests).toHaveLength(seen + 1)
    peer.destroy()
  })

  it('chunk extensions and trailers end with us', async () => {
    const peer = await rawTls(test.port)
    peer.write(
      `${post('Transfer-Encoding: chunked')}3;a=b\r\nabc\r\n0\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n`,
    )
    expect((await peer.head())?.status).toBe(200)
    await until(() => peer.unread.includes('"body":"abc"'))
    expect(peer.unread.toString()).not.toContain('203.0.113.1')
    peer.destroy()
  })
})

describe('what it costs', () => {
  /** What is held, buffers included; not what the allocator keeps of what was. */
  function heldMiB(): number {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return (heapUsed + external) / MIB
  }

  it('200 MiB up and 200 MiB down are not gathered in memory, and none is lost', async () => {
    const sizeBytes = 200 * MIB
    const server = await backend((request, response) => {
      if (request.method === 'GET') {
        response.setHeader('Content-Length', sizeBytes)
        pour(response, sizeBytes)
        return
      }
      const hash = createHash('sha256')
      request.on('data', chunk => hash.update(chunk))
      request.on('end', () => response.end(hash.digest('hex')))
    })
    closing.push(() => server.close())
    const test = await proxyFront({ '/x': server.url })
    closing.push(() => test.front.close())
    const before = heldMiB()
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, heldMiB())
    }, 100)
    const upload = await new Promise<string>((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: test.port,
          path: '/x',
          method: 'PUT',
          headers: { Host: 'montague.example', 'Content-Length': sizeBytes },
          rejectUnauthorized: false,
          agent: false,
        },
        response => response.once('data', data => resolve(String(data))),
      )
      request.once('error', reject)
      pour(request, sizeBytes)
    })
    const expected = createHash('sha256')
    for (let sent = 0; sent < sizeBytes; sent += BLOCK.length) expected.update(BLOCK)
    expect(upload).toBe(expected.digest('hex'))
    let received = 0
    await new Promise<void>((resolve, reject) => {
      httpsRequest(
        {
          host: '127.0.0.1',
          port: test.port,
          path: '/x',
          headers: { Host: 'montague.example' },
          rejectUnauthorized: false,
          agent: false,
        },
        response => {
          response.on('data', chunk => {
            received += chunk.length
          })
          response.once('end', resolve)
          response.once('error', reject)
        },
      ).end()
    })
    clearInterval(watch)
    expect(received).toBe(sizeBytes)
    // Who pours, who takes, and what is in between are one process; a side that is not slowed has all of it.
    expect(peak - before).toBeLessThan(100)
  })

  it('who does not read stops the other side, either way', async () => {
    let poured = 0
    const server = await backend((request, response) => {
      if (request.method === 'PUT') return
      const more = () => {
        while (poured < 500 * MIB) {
          poured += BLOCK.length
          if (!response.write(BLOCK)) return
        }
      }
      response.on('drain', more)
      more()
    })
    closing.push(() => server.close())
    const test = await proxyFront({ '/x': server.url })
    closing.push(() => test.front.close())
    const reader = await rawTls(test.port)
    reader.socket.pause()
    reader.write('GET /x HTTP/1.1\r\nHost: montague.example\r\n\r\n')
    await settled(() => poured)
    // What the sockets of three connections hold, and no more.
    expect(poured).toBeLessThan(40 * MIB)
    reader.destroy()
    const writer = await rawTls(test.port)
    writer.write('PUT /x HTTP/1.1\r\nHost: montague.example\r\nContent-Length: 524288000\r\n\r\n')
    let written = 0
    const more = () => {
      while (written < 500 * MIB) {
        written += BLOCK.length
        if (!writer.socket.write(BLOCK)) return
      }
    }
    writer.socket.on('drain', more)
    more()
    await settled(() => written)
    expect(written).toBeLessThan(40 * MIB)
    writer.destroy()
  })

  it('a thousand requests at once on one connection are no more than an address may have', async () => {
    const held: ServerResponse[] = []
    const server = await backend((_, response) => held.push(response))
    closing.push(() => server.close())
    const test = await proxyFront({ '/x': server.url }, { limits: { proxiedPerAddress: 10 } })
    closing.push(() => test.front.close())
    const baseline = resources()
    const peer = await rawTls(test.port)
    peer.write(smuggled.repeat(1_000))
    await until(() => test.refusals().length > 0)
    await settled(() => server.requests.length)
    expect(server.requests).toHaveLength(10)
    expect(server.connected()).toBe(10)
    peer.destroy()
    await until(() => server.connected() === 0)
    await backTo(baseline)
  })

  it('who does not take the end that it is given is ended', async () => {
    const server = await backend(
      (request, response) => {
        request.resume()
        response.writeHead(413)
        response.end('no')
      },
      { webSocket: false },
    )
    closing.push(() => server.close())
    const silent = await rawTcpServer()
    closing.push(() => silent.close())
    const test = await proxyFront(
      { '/x': server.url, '/ws': `http://127.0.0.1:${silent.port}` },
      { limits: { closeMs: 200, proxyIdleMs: 400 } },
    )
    closing.push(() => test.front.close())
    // A body of which more and more comes after the answer, and an upgrade whose refusal changes nothing.
    const refusedUpgrade = upgrade({ lines: ['X-Field: x'] })
    for (const request of [post('Content-Length: 1000000'), refusedUpgrade]) {
      const peer = await rawTls(test.port, HALF_OPEN)
      const closed = new Promise(resolve => peer.socket.once('close', resolve))
      peer.write(request)
      expect((await peer.head())?.status).toBe(413)
      const dribble = setInterval(() => peer.write('x'), 20)
      await closed
      clearInterval(dribble)
    }
    // A server behind that does not hear the end of its client.
    const leaver = await rawTls(test.port, HALF_OPEN)
    leaver.write(upgrade({ target: '/ws' }))
    const peer = await silent.accept()
    await peer.head()
    peer.write('HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    await leaver.head()
    peer.socket.pause()
    leaver.socket.end()
    await leaver.ended()
    leaver.destroy()
    peer.destroy()
  })

  it('an answer of ours is not lost to who is still sending', async () => {
    const gone = await rawTcpServer()
    gone.close()
    const test = await proxyFront({ '/x': `http://127.0.0.1:${gone.port}` }, { limits: { closeMs: 30_000 } })
    closing.push(() => test.front.close())
    const sender = await rawTls(test.port)
    sender.write(post(`Content-Length: ${64 * MIB}`))
    const written = new Promise<unknown>(resolve => {
      sender.socket.write(Buffer.alloc(64 * MIB), problem => resolve(problem ?? 'all of it'))
    })
    expect(await sender.head()).toMatchObject({ status: 502, headers: { connection: 'close' } })
    await sender.ended()
    // What it sends is read until its end: a reset for unread bytes can overtake the answer on its way.
    expect(await written).toBe('all of it')
  })

  it('clients that come and go in every way leave nothing', async () => {
    const server = await backend((request, response) => {
      request.on('error', () => {})
      if (request.url === '/x/hold') return
      request.resume()
      request.on('end', () => response.end('ok'))
    })
    closing.push(() => server.close())
    const test = await proxyFront({ '/x': server.url }, { limits: { closeMs: 100 } })
    closing.push(() => test.front.close())
    await ask(test.port, '/x')
    const baseline = resources()
    const requests = [
      '',
      post('Content-Length: 3').slice(0, 20),
      `${post('Content-Length: 9')}abc`,
      `${post('Transfer-Encoding: chunked')}3\r\nab`,
      at('/x/hold', 'Content-Length: 0'),
      post('Content-Length: 3', 'Expect: 100-continue'),
      upgrade({}),
      `${upgrade({ target: '/x/y' })}\x81\x85`,
      post('Content-Length: 0').repeat(20),
    ]
    for (let round = 0; round < 200; round++) {
      const peer = await rawTls(test.port)
      await peer.flush(requests[round % requests.length] ?? '')
      if (round % 2 === 0) peer.socket.end()
      peer.destroy()
    }
    await until(() => server.connected() === 0)
    await backTo(baseline)
    expect((await ask(test.port, '/x')).body).toBe('ok')
  })

  it('a server behind that says anything at all harms nobody', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await proxyFront({ '/x': `http://127.0.0.1:${server.port}` }, { limits: { closeMs: 100 } })
    closing.push(() => test.front.close())
    const baseline = resources()
    const answers = [
      '',
      '\0\x01\x02',
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100),
      'HTTP/1.1 101 S\r\n\r\n',
      'HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more',
      'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello',
      'HTTP/1.1 304 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      'HTTP/1.1 205 OK\r\nContent-Length: 5\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\nConnection: \xff, ,,\r\n__proto__: x\r\nX-A: \xe9\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n',
      'HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: \xe9\r\n\r\n\x88\0',
    ]
    for (const request of [smuggled, upgrade({})])
      for (const answer of answers) {
        const client = await rawTls(test.port)
        client.write(request)
        const peer = await server.accept()
        await peer.head()
        await peer.flush(Buffer.from(answer, 'latin1'))
        peer.socket.end()
        await peer.ended()
        client.socket.end()
        await client.ended()
        client.destroy()
        peer.destroy()
      }
    await backTo(baseline)
    expect((await ask(test.port, '/healthz')).status).toBe(200)
  })
})

/** Does not end by itself when the other side does. The types do not know it, Node does. */
const HALF_OPEN: ConnectionOptions & { readonly allowHalfOpen: boolean } = { allowHalfOpen: true }

const BLOCK = Buffer.alloc(64 * 1024, 'isthmus ')

function pour(into: NodeJS.WritableStream, sizeBytes: number): void {
  let poured = 0
  const more = () => {
    while (poured < sizeBytes) {
      poured += BLOCK.length
      if (!into.write(BLOCK)) {
        into.once('drain', more)
        return
      }
    }
    into.end()
  }
  more()
}

/** Resolves when the value has not changed for a while. */
async function settled(value: () => number): Promise<void> {
  for (let still = 0, last = -1; still < 20; ) {
    await new Promise(resolve => setTimeout(resolve, 10))
    still = value() === last ? still + 1 : 0
    last = value()
  }
}

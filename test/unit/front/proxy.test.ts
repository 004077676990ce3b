import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent } from 'node:https'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type Clock, defaultLimits, type Event } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import { ask, askEcho, type Backend, backend, proxyFront } from '../../kit/backends.ts'
import { backTo, resources, type TestFront } from '../../kit/fronts.ts'
import { acceptKey, rawTcpServer, rawTls, TEST_KEY, upgradeRequest } from '../../kit/wire.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function behind(...options: Parameters<typeof backend>): Promise<Backend> {
  const server = await backend(...options)
  closing.push(() => server.close())
  return server
}

async function front(...options: Parameters<typeof proxyFront>): Promise<TestFront> {
  const test = await proxyFront(...options)
  closing.push(() => test.front.close())
  return test
}

function failures({ events }: TestFront): Extract<Event, { type: 'proxy:failed' }>[] {
  return events.flatMap(event => (event.type === 'proxy:failed' ? [event] : []))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

function webSocket(port: number, path: string): WebSocket {
  return new WebSocket(`wss://127.0.0.1:${port}${path}`, 'xmpp', {
    rejectUnauthorized: false,
    headers: { Host: 'montague.example' },
  })
}

describe('where a request goes', () => {
  it('the longest path wins; below it and with any query; nothing else', async () => {
    const [one, two] = [await behind(), await behind()]
    const { port } = await front({ '/http-bind': one.url, '/http-bind/deep': two.url, '/up/': one.url })
    for (const [path, server] of [
      ['/http-bind', one],
      ['/http-bind?x=/deep', one],
      ['/http-bind/', one],
      ['/http-bind/a/b?c', one],
      ['/http-bind/deeper', one],
      ['/http-bind/deep', two],
      ['/http-bind/deep/er', two],
      ['/up', one],
      ['/up/x%20y%2Fz', one],
      ['/up/100%25.txt', one],
      ['/up/...', one],
    ] as const) {
      const before = server.requests.length
      expect((await askEcho(port, path)).url).toBe(path)
      expect(server.requests.length, path).toBe(before + 1)
    }
    for (const path of ['/http-bin', '/http-binder', '/HTTP-BIND', '/', '/upx'])
      expect((await ask(port, path)).status, path).toBe(404)
  })

  it('a prefix of the target comes before the path', async () => {
    const server = await behind()
    const { port } = await front({ '/ws': `${server.url}/prefix/`, '/bosh': `${server.url}/a` })
    expect((await askEcho(port, '/ws/x?y')).url).toBe('/prefix/ws/x?y')
    expect((await askEcho(port, '/bosh')).url).toBe('/a/bosh')
  })

  it('our own paths win over all', async () => {
    const server = await behind()
    const { port } = await front({ '/': server.url })
    expect((await askEcho(port, '/anything')).url).toBe('/anything')
    expect((await ask(port, '/healthz')).body).toBe('ok\n')
    expect((await ask(port, '/.well-known/host-meta.json')).status).toBe(200)
    expect((await ask(port, '/.well-known/acme-challenge/x')).status).toBe(404)
    expect((await ask(port, '/s2s')).status).toBe(426)
    expect(server.requests).toHaveLength(1)
  })

  it('over IPv6 too', async () => {
    const server = await behind(undefined, { host: '::1' })
    const { port } = await front({ '/x': server.url })
    expect((await askEcho(port, '/x')).url).toBe('/x')
  })

  it('what is no path or no server is refused at once', async () => {
    for (const [path, to] of [
      ['x', 'http://127.0.0.1:1'],
      ['/healthz', 'http://127.0.0.1:1'],
      ['/.well-known', 'http://127.0.0.1:1'],
      ['/x', 'https://127.0.0.1:1'],
      ['/x', '127.0.0.1:1'],
      ['/x', 'http://a:b@127.0.0.1:1'],
    ] as const)
      await expect(proxyFront({ [path]: to }), path).rejects.toThrow(TypeError)
  })
})

describe('what goes on', () => {
  it('methods, bodies of either framing, header fields of either end, and the answer', async () => {
    const server = await behind((request, response) => {
      response.writeHead(207, 'Odd words', {
        'Set-Cookie': ['a=1', 'b=2'],
        'Content-Type': 'text/plain',
        Connection: 'X-Hop',
        'X-Hop': 'gone',
        'Keep-Alive': 'timeout=99',
        'X-End': 'kept',
      })
      request.pipe(response)
    })
    const { port } = await front({ '/x': server.url })
    for (const headers of [{ 'Content-Length': '5' }, { 'Transfer-Encoding': 'chunked' }] as const)
      for (const method of ['POST', 'PUT', 'DELETE', 'GET', 'PROPFIND']) {
        const got = await ask(port, '/x', { method, headers, body: 'hello' })
        expect(got, method).toMatchObject({ status: 207, body: 'hello' })
        expect(got.headers['set-cookie']).toEqual(['a=1', 'b=2'])
        expect(got.headers).toMatchObject({ 'x-end': 'kept', 'content-type': 'text/plain' })
        expect(got.headers).not.toHaveProperty('x-hop')
        expect(got.headers['keep-alive']).not.toBe('timeout=99')
      }
    expect((await ask(port, '/x', { method: 'HEAD' })).status).toBe(207)
  })

  it('who asks is told by us alone; Host stays; what is of the connection goes no further', async () => {
    const server = await behind()
    const { port } = await front({ '/x': server.url })
    const { headers } = await askEcho(port, '/x', {
      headers: {
        Host: 'Montague.example:8443',
        'X-Forwarded-For': '203.0.113.1',
        X_Forwarded_For: '203.0.113.2',
        'X-Forwarded-Proto': 'http',
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-Port': '1',
        Forwarded: 'for=203.0.113.3',
        'X-Real-IP': '203.0.113.4',
        'Client-Cert': ':AAAA:',
        'X-SSL-Client-Cert': 'x',
        X_SSL_Client_Verify: 'SUCCESS',
        'X-Amzn-Mtls-Clientcert-Leaf': 'x',
        'X-Isthmus-Proxy-Secret': 'x',
        Connection: 'keep-alive, X-Secret-Hop, X-Forwarded-For',
        'X-Secret-Hop': 'x',
        'Keep-Alive': 'timeout=1',
        TE: 'trailers',
        'Proxy-Authorization': 'Basic eA==',
        Authorization: 'Basic eA==',
        Cookie: 'a=1',
      },
    })
    expect(headers).toEqual({
      host: 'Montague.example:8443',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'Montague.example:8443',
      authorization: 'Basic eA==',
      cookie: 'a=1',
      connection: 'keep-alive',
    })
  })

  it('many requests of one connection, one after the other and at once', async () => {
    const server = await behind()
    const { port } = await front({ '/x': server.url })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const sockets = new Set<unknown>()
    agent.on('free', socket => sockets.add(socket))
    for (const path of ['/x/1', '/healthz', '/x/2'])
      expect(await ask(port, path, { agent })).toMatchObject({
        status: 200,
        headers: { connection: 'keep-alive' },
      })
    expect(sockets.size).toBe(1)
    agent.destroy()
    const peer = await rawTls(port)
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: montague.example\r\n\r\n`
    peer.write(request('/x/3') + request('/healthz') + request('/x/4'))
    await until(() => peer.unread.includes('/x/4'))
    const text = peer.unread.toString('latin1')
    expect(text.indexOf('/x/3')).toBeLessThan(text.indexOf('ok\n'))
    expect(text.indexOf('ok\n')).toBeLessThan(text.indexOf('/x/4'))
    peer.destroy()
  })

  it('an HTTP/1.0 client gets its answer and its end', async () => {
    const server = await behind((_, response) => {
      response.write('a')
      response.end('b')
    })
    const { port } = await front({ '/x': server.url })
    const peer = await rawTls(port)
    peer.write('GET /x HTTP/1.0\r\nHost: montague.example\r\n\r\n')
    const head = await peer.head()
    expect(head).toMatchObject({ status: 200, headers: { connection: 'close' } })
    expect((await peer.rest()).toString()).toBe('ab')
  })

  it('bodies as they come, both ways at once', async () => {
    const server = await behind((request, response) => {
      response.writeHead(200)
      request.on('data', chunk => response.write(chunk))
      request.on('end', () => response.end())
    })
    const { port } = await front({ '/x': server.url })
    const peer = await rawTls(port)
    peer.write('POST /x HTTP/1.1\r\nHost: montague.example\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (const word of ['one', 'two', 'three']) {
      peer.write(`${word.length.toString(16)}\r\n${word}\r\n`)
      await until(() => peer.unread.includes(word))
    }
    peer.write('0\r\n\r\n')
    await until(() => peer.unread.includes('\r\n0\r\n\r\n'))
    peer.destroy()
  })

  it('a client that asks before it sends is told by the server behind', async () => {
    const server = await behind((request, response) => {
      if (request.url === '/x/no') {
        response.writeHead(413)
        response.end('too much')
        return
      }
      response.writeContinue()
      request.resume()
      request.on('end', () => response.end('thanks'))
    })
    const { port } = await front({ '/x': server.url })
    const put = (path: string) =>
      `PUT ${path} HTTP/1.1\r\nHost: montague.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`
    const yes = await rawTls(port)
    yes.write(put('/x/yes'))
    expect((await yes.head())?.status).toBe(100)
    yes.write('hello')
    expect((await yes.head())?.status).toBe(200)
    await until(() => yes.unread.includes('thanks'))
    yes.destroy()
    const no = await rawTls(port)
    no.write(put('/x/no'))
    expect(await no.head()).toMatchObject({ status: 413, headers: { connection: 'close' } })
    expect((await no.rest()).toString()).toContain('too much')
  })

  it('an early answer reaches who is still sending', async () => {
    const server = await behind((request, response) => {
      response.writeHead(413)
      response.end('too much')
      request.resume()
    })
    const { port } = await front({ '/x': server.url })
    const length = 8 * 1024 * 1024
    const got = await ask(port, '/x', {
      method: 'PUT',
      headers: { 'Content-Length': String(length) },
      body: 'x'.repeat(length),
    })
    expect(got).toMatchObject({ status: 413, body: 'too much' })
  })
})

describe('what goes wrong', () => {
  it('nobody listens there: 502, an event, and the connection lives', async () => {
    const gone = await behind()
    await gone.close()
    const test = await front({ '/x': gone.url })
    const got = await ask(test.port, '/x?q')
    expect(got).toMatchObject({ status: 502, body: 'the server behind this path: refused the connection\n' })
    expect(failures(test)).toEqual([
      {
        type: 'proxy:failed',
        address: '127.0.0.1',
        path: '/x',
        to: gone.url,
        status: 502,
        detail: 'refused the connection',
      },
    ])
    const baseline = resources()
    const upload = { method: 'PUT', body: 'x'.repeat(4 * 1024 * 1024) }
    expect((await ask(test.port, '/x', upload)).status).toBe(502)
    const upgrade = await rawTls(test.port)
    upgrade.write(upgradeRequest({ target: '/x' }))
    expect((await upgrade.head())?.status).toBe(502)
    await upgrade.ended()
    expect(failures(test)).toHaveLength(3)
    await backTo(baseline)
  })

  it.each<[title: string, answer: string, detail: string]>([
    ['nothing', '', 'ended the connection without an answer|broke the connection off'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'no HTTP'],
    ['a broken head', 'HTTP/1.1 200 OK\r\nBad Header : x\r\n\r\n', 'no HTTP'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 'no HTTP'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'no HTTP',
    ],
    ['another encoding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab', 'transfer encoding'],
    ['the status 042', 'HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n', 'status 42'],
    ['the status 999', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n', 'status 999'],
    ['an upgrade', `HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`, '.'],
    ['a huge head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 'too long a head'],
    ['1 001 fields', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(1_001)}\r\n`, 'too many header fields'],
  ])('it answers %s: 502', async (_, answer, detail) => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front({ '/x': `http://127.0.0.1:${server.port}` })
    const asked = ask(test.port, '/x')
    const peer = await server.accept()
    await peer.head()
    await peer.flush(answer)
    if (answer === '') peer.destroy()
    const got = await asked
    expect(got.status).toBe(502)
    expect(failures(test)).toMatchObject([{ status: 502, detail: expect.stringMatching(detail) }])
    await peer.ended()
  })

  it('a head of 60 KB, and words that Node would not write, are passed on', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const { port } = await front({ '/x': `http://127.0.0.1:${server.port}` })
    const asked = ask(port, '/x', { maxHeaderSize: 100_000 })
    const peer = await server.accept()
    peer.write(`HTTP/1.1 200 \xe9\x80\r\nX: ${'x'.repeat(60_000)}\r\nContent-Length: 2\r\n\r\nab`)
    const got = await asked
    expect(got).toMatchObject({ status: 200, body: 'ab' })
    expect(got.headers['x']).toHaveLength(60_000)
  })

  it.each<[title: string, rest: string]>([
    ['it dies', ''],
    ['it sends a broken chunk', 'zz\r\n'],
  ])('%s in the middle of its answer: the client is cut, not told an end', async (_, rest) => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front({ '/x': `http://127.0.0.1:${server.port}` })
    const client = await rawTls(test.port)
    client.write('GET /x HTTP/1.1\r\nHost: montague.example\r\n\r\n')
    const peer = await server.accept()
    peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    await until(() => client.unread.includes('abc'))
    if (rest === '') peer.socket.resetAndDestroy()
    else peer.write(rest)
    const got = (await client.rest()).toString()
    expect(got).toMatch(/abc\r\n$/)
    expect(got).not.toContain('400')
    await until(() => failures(test).length > 0)
    expect(failures(test)).toMatchObject([{ status: null }])
  })

  it('a client that leaves takes its request with it', async () => {
    const arrived: IncomingMessage[] = []
    const gone: string[] = []
    const server = await behind((request, response) => {
      arrived.push(request)
      response.once('close', () => gone.push(request.url ?? ''))
      request.on('error', () => {})
      if (request.url === '/x/answering') response.write('a')
    })
    const test = await front({ '/x': server.url })
    const baseline = resources()
    for (const [target, more] of [
      ['/x/waiting', '\r\n'],
      ['/x/answering', '\r\n'],
      ['/x/sending', 'Content-Length: 9\r\n\r\nabc'],
    ] as const) {
      const before = arrived.length
      const client = await rawTls(test.port)
      client.write(`POST ${target} HTTP/1.1\r\nHost: montague.example\r\n${more}`)
      await until(() => arrived.length > before)
      client.destroy()
      await until(() => gone.includes(target))
    }
    await backTo(baseline)
    expect(failures(test)).toEqual([])
    expect(test.refusals()).toEqual([])
  })
})

describe('time', () => {
  const limits = { proxyHeadersMs: 200, proxyIdleMs: 200, proxyTunnelIdleMs: 200, closeMs: 100 }

  it('no answer: 504', async () => {
    const server = await behind(request => request.resume())
    const test = await front({ '/x': server.url }, { limits })
    const got = await ask(test.port, '/x', { method: 'POST', body: 'x' })
    expect(got).toMatchObject({
      status: 504,
      body: 'the server behind this path: did not answer within 0.2 s\n',
    })
    await until(() => server.connected() === 0)
  })

  it('no connection: 504', async () => {
    const server = await behind()
    // Its time is over before any connection can stand.
    const clock: Clock = {
      ...systemClock,
      setTimer(afterMs, action) {
        if (afterMs !== defaultLimits.proxyConnectMs) return systemClock.setTimer(afterMs, action)
        queueMicrotask(action)
        return { cancel: () => {} }
      },
    }
    const none = await front({ '/x': server.url }, { limits: { closeMs: 5_001 }, clock })
    const got = await ask(none.port, '/x')
    expect(got.status).toBe(504)
    expect(got.body).toContain('did not take the connection within 5 s')
  })

  it('a body that stops: 408 where the client stopped, 504 where the server took no more', async () => {
    const server = await behind((request, response) => {
      if (request.url === '/x/deaf') request.pause()
      else request.resume()
      response.on('error', () => {})
    })
    const test = await front({ '/x': server.url }, { limits })
    const client = await rawTls(test.port)
    client.write('PUT /x HTTP/1.1\r\nHost: montague.example\r\nContent-Length: 9\r\n\r\nabc')
    expect(await client.head()).toMatchObject({ status: 408, headers: { connection: 'close' } })
    await client.ended()
    const got = await ask(test.port, '/x/deaf', { method: 'PUT', body: 'x'.repeat(32 * 1024 * 1024) })
    expect(got.status).toBe(504)
    expect(got.body).toContain('took no more of the request')
    expect(test.refusals()).toMatchObject([{ reason: 'http', status: 408 }])
    expect(failures(test)).toMatchObject([{ status: 504 }])
  })

  it('bodies that move slowly take as long as they take', async () => {
    const server = await behind((request, response) => {
      request.on('data', chunk => response.write(chunk))
      request.on('end', () => response.end())
    })
    const test = await front({ '/x': server.url }, { limits })
    const client = await rawTls(test.port)
    client.write('PUT /x HTTP/1.1\r\nHost: montague.example\r\nContent-Length: 20\r\n\r\n')
    for (let sent = 0; sent < 20; sent++) {
      await new Promise(resolve => setTimeout(resolve, 30))
      client.write('.')
    }
    await until(() => client.unread.toString().split('.').length > 20)
    expect(client.isEnded).toBe(false)
    client.destroy()
  })

  it('an answer that does not move, on either side: cut', async () => {
    const server = await behind((request, response) => {
      if (request.url === '/x/stops') response.write('a')
      else response.write(Buffer.alloc(64 * 1024 * 1024))
      response.on('error', () => {})
    })
    const test = await front({ '/x': server.url }, { limits })
    for (const target of ['/x/stops', '/x/unread']) {
      const client = await rawTls(test.port)
      if (target === '/x/unread') client.socket.pause()
      client.write(`GET ${target} HTTP/1.1\r\nHost: montague.example\r\n\r\n`)
      const before = failures(test).length
      await until(() => failures(test).length > before)
      client.destroy()
      await until(() => server.connected() === 0)
    }
    expect(failures(test)).toMatchObject([{ status: null }, { status: null }])
  })

  it('a WebSocket in which nothing moves is ended; one in which something does stays', async () => {
    const server = await behind()
    const test = await front({ '/ws': server.url }, { limits })
    const [silent, busy] = [webSocket(test.port, '/ws'), webSocket(test.port, '/ws')]
    let echoes = 0
    busy.on('message', () => {
      echoes += 1
      setTimeout(() => busy.send('x'), 30)
    })
    await new Promise(resolve => busy.once('open', resolve))
    busy.send('x')
    await new Promise(resolve => silent.once('close', resolve))
    const then = echoes
    await until(() => echoes > then + 10)
    expect(busy.readyState).toBe(WebSocket.OPEN)
    busy.terminate()
    await until(() => server.connected() === 0)
  })
})

describe('an upgrade', () => {
  it('goes through with its head, and bytes flow both ways until one side ends', async () => {
    const server = await behind()
    const test = await front({ '/xmpp-websocket': server.url })
    const baseline = resources()
    const ws = webSocket(test.port, '/xmpp-websocket?x')
    await new Promise(resolve => ws.once('open', resolve))
    expect(ws.protocol).toBe('xmpp')
    const { headers, url } = server.requests[0] as IncomingMessage
    expect(url).toBe('/xmpp-websocket?x')
    expect(headers).toMatchObject({
      host: 'montague.example',
      upgrade: 'websocket',
      connection: 'Upgrade',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'montague.example',
    })
    const large = Buffer.alloc(8 * 1024 * 1024, 'x')
    ws.send(large)
    const back = await new Promise<Buffer>(resolve => ws.once('message', resolve))
    expect(back.equals(large)).toBe(true)
    ws.close(1000)
    const code = await new Promise(resolve => ws.once('close', resolve))
    expect(code).toBe(1000)
    await until(() => server.connected() === 0)
    await backTo(baseline)
    // Ours is still ours.
    const own = await rawTls(test.port)
    own.write(upgradeRequest())
    expect((await own.head())?.status).toBe(101)
    own.destroy()
  })

  it('what the client sends before the answer is not lost', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const { port } = await front({ '/ws': `http://127.0.0.1:${server.port}` })
    const client = await rawTls(port)
    client.write(`${upgradeRequest({ target: '/ws' })}early`)
    const peer = await server.accept()
    await peer.head()
    peer.write(
      `HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Hop\r\nX-Hop: x\r\nContent-Length: 3\r\nSec-WebSocket-Accept: ${acceptKey(TEST_KEY)}\r\n\r\nhello`,
    )
    const head = await client.head()
    expect(head).toMatchObject({ status: 101, headers: { connection: 'Upgrade', upgrade: 'websocket' } })
    expect(head?.headers).not.toHaveProperty('x-hop')
    expect(head?.headers).not.toHaveProperty('content-length')
    await until(() => client.unread.includes('hello') && peer.unread.includes('early'))
    peer.write('last')
    peer.socket.end()
    expect((await client.rest()).toString()).toBe('hellolast')
  })

  it('that the server refuses is answered as it says, and the connection closed', async () => {
    const server = await behind(
      (_, response) => {
        response.writeHead(403, { 'X-Why': 'because' })
        response.write('no')
        response.end(' way')
      },
      { webSocket: false },
    )
    const test = await front({ '/ws': server.url })
    const client = await rawTls(test.port)
    client.write(`${upgradeRequest({ target: '/ws' })}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`)
    const head = await client.head()
    expect(head).toMatchObject({ status: 403, headers: { connection: 'close', 'x-why': 'because' } })
    expect((await client.rest()).toString()).toContain('no')
    expect(client.unread.toString()).not.toContain('200')
    await until(() => server.connected() === 0)
  })

  it.each<[title: string, answer: string]>([
    ['with nothing', ''],
    ['with no HTTP', 'what?\r\n\r\n'],
    ['with a status of old', 'HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n'],
  ])('answered %s: 502, closed', async (_, answer) => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front({ '/ws': `http://127.0.0.1:${server.port}` })
    const client = await rawTls(test.port)
    client.write(upgradeRequest({ target: '/ws' }))
    const peer = await server.accept()
    await peer.head()
    await peer.flush(answer)
    peer.destroy()
    expect((await client.head())?.status).toBe(502)
    await client.ended()
    expect(failures(test)).toMatchObject([{ status: 502 }])
  })

  it('answered with one to something else: cut', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front({ '/ws': `http://127.0.0.1:${server.port}` })
    const client = await rawTls(test.port)
    client.write(upgradeRequest({ target: '/ws' }))
    const peer = await server.accept()
    await peer.head()
    peer.write('HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n')
    expect((await client.rest()).length).toBe(0)
    await peer.ended()
    expect(failures(test)).toMatchObject([{ status: null }])
  })

  it('not answered: 504', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front(
      { '/ws': `http://127.0.0.1:${server.port}` },
      { limits: { proxyHeadersMs: 100, closeMs: 100 } },
    )
    const client = await rawTls(test.port)
    client.write(upgradeRequest({ target: '/ws' }))
    expect((await client.head())?.status).toBe(504)
    await (await server.accept()).ended()
  })

  it('either end that vanishes takes the other with it', async () => {
    const server = await rawTcpServer()
    closing.push(() => server.close())
    const test = await front({ '/ws': `http://127.0.0.1:${server.port}` }, { limits: { closeMs: 100 } })
    const baseline = resources()
    for (const [side, how] of [
      ['client', 'reset'],
      ['client', 'end'],
      ['server', 'reset'],
      ['server', 'end'],
    ] as const) {
      const client = await rawTls(test.port)
      client.write(upgradeRequest({ target: '/ws' }))
      const peer = await server.accept()
      await peer.head()
      peer.write('HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
      await client.head()
      const one: Socket = side === 'client' ? client.socket : peer.socket
      if (how === 'end') one.end()
      else one.destroy()
      await Promise.all([client.ended(), peer.ended()])
      client.destroy()
      peer.destroy()
    }
    await backTo(baseline)
  })
})

describe('places', () => {
  it('there are so many for an address, and in all; who leaves makes room', async () => {
    const held: ServerResponse[] = []
    const server = await behind((_, response) => held.push(response))
    for (const [limits, status] of [
      [{ proxiedPerAddress: 2 }, 429],
      [{ proxiedTotal: 2 }, 503],
    ] as const) {
      const test = await front({ '/x': server.url }, { limits })
      const first = ask(test.port, '/x')
      const ws = webSocket(test.port, '/x')
      await new Promise(resolve => ws.once('open', resolve))
      await until(() => held.length === 1)
      const third = await ask(test.port, '/x')
      expect(third.status).toBe(status)
      expect(third.headers['retry-after']).toBe('10')
      const upgrade = await rawTls(test.port)
      upgrade.write(upgradeRequest({ target: '/x' }))
      expect((await upgrade.head())?.status).toBe(status)
      // Ours is not touched by it.
      expect((await ask(test.port, '/healthz')).status).toBe(200)
      ws.terminate()
      held.pop()?.end('ok')
      expect((await first).body).toBe('ok')
      const next = ask(test.port, '/x')
      await until(() => held.length === 1)
      held.pop()?.end()
      expect((await next).status).toBe(200)
    }
  })

  it('proxied ones take no place among the unauthenticated, and earn none', async () => {
    const held: ServerResponse[] = []
    const server = await behind((_, response) => held.push(response))
    const test = await front({ '/x': server.url }, { limits: { unauthenticatedPerAddress: 2 } })
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: montague.example\r\n\r\n`
    const users = []
    for (let count = 0; count < 5; count++) {
      const user = await rawTls(test.port)
      user.write(get('/x'))
      await until(() => held.length > count)
      users.push(user)
    }
    const peer = await rawTls(test.port)
    peer.write(get('/healthz'))
    expect((await peer.head())?.status).toBe(200)
    // Their requests are over: they are strangers again, and beyond two, crowded.
    for (const response of held.splice(0)) response.end('bye')
    const statuses = []
    for (const user of users) {
      expect((await user.head())?.status).toBe(200)
      await until(() => user.unread.includes('bye'))
      user.write(get('/x/again'))
      await until(() => held.length === 1)
      held.pop()?.end('bye')
      await until(() => user.unread.toString().split('bye').length === 3)
      user.write(upgradeRequest())
      await until(() => user.isEnded || / (101|429) /.test(user.unread.toString()))
      statuses.push(/ (101|429) /.exec(user.unread.toString())?.[1])
    }
    expect(statuses).toEqual(['101', '429', '429', '429', '429'])
    for (const user of users) user.destroy()
    peer.destroy()
  })
})

describe('the end', () => {
  it('stopping: no new ones; what is under way may end within the grace', async () => {
    const held: ServerResponse[] = []
    const server = await behind((_, response) => held.push(response))
    const test = await front({ '/x': server.url })
    const under = ask(test.port, '/x')
    await until(() => held.length === 1)
    test.front.stop()
    expect((await ask(test.port, '/x')).status).toBe(503)
    const upgrade = await rawTls(test.port)
    upgrade.write(upgradeRequest({ target: '/x' }))
    expect((await upgrade.head())?.status).toBe(503)
    const closed = test.front.close({ graceMs: 60_000 })
    held.pop()?.end('in time')
    expect((await under).body).toBe('in time')
    await closed
  })

  it('a WebSocket, and what does not end, are cut', async () => {
    const baseline = resources()
    const held: ServerResponse[] = []
    const server = await backend((_, response) => held.push(response))
    const test = await proxyFront({ '/x': server.url })
    const ws = webSocket(test.port, '/x')
    await new Promise(resolve => ws.once('open', resolve))
    const closed = new Promise(resolve => ws.once('close', resolve))
    const under = ask(test.port, '/x')
    const cut = expect(under).rejects.toThrow()
    await until(() => held.length === 1)
    await test.front.close({ graceMs: 50 })
    await cut
    await closed
    await until(() => server.connected() === 0)
    await server.close()
    await backTo(baseline)
  })

  it('without proxied requests nothing is waited for', async () => {
    const server = await behind()
    const test = await proxyFront({ '/x': server.url })
    const ws = webSocket(test.port, '/x')
    await new Promise(resolve => ws.once('open', resolve))
    ws.on('error', () => {})
    await test.front.close({ graceMs: 3_600_000 })
  })
})

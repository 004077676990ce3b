import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits, type Limits } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import type { Discovered } from '../../src/discovery/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { testDns } from '../kit/dns.ts'
import { backTo, domain, resources } from '../kit/fronts.ts'
import {
  type Finder,
  finder,
  JRD,
  jrd,
  link,
  type Page,
  type WebServer,
  webAuthority,
  webServer,
  XRD,
} from '../kit/host-meta.ts'

// What a web server may answer that nobody should swallow. Whatever it does: an answer in time, nothing followed that must
// not be, nothing left behind, and a canary domain that is still found.

const A = 'wss://a.example/s2s'
const GOOD = jrd([link(A)])
/** where the end of patience is what is tested; else nothing may depend on how busy this machine is */
const SOON = { hostMetaMs: 400 }
const LIMITS = { hostMetaMs: 20_000 }

let web: WebServer
let canary: WebServer
let singer: Finder
/** answers as whoever it is taken for; nobody may come here */
let elsewhere: WebServer
let baseline: Record<string, number>

beforeAll(async () => {
  web = await webServer({})
  canary = await webServer({ [JRD]: GOOD }, { names: ['canary.example'] })
  singer = finder({ web: { 'canary.example': canary } })
  elsewhere = await webServer(
    { [JRD]: GOOD, '/x': GOOD },
    { names: ['other.example', 'www.montague.example'] },
  )
})
afterAll(async () => {
  await Promise.all([web, canary, elsewhere].map(server => server.close()))
})

/** Ask montague.example, whose pages these are, and see that the canary is found too. */
async function ask(
  pages: Record<string, Page>,
  limits: Partial<Limits> = LIMITS,
  more: Readonly<Record<string, WebServer>> = {},
): Promise<Discovered> {
  web.pages = pages
  elsewhere.requests.length = 0
  const { find, events } = finder({
    limits,
    web: {
      'montague.example': web,
      'other.example': elsewhere,
      'www.montague.example': elsewhere,
      ...more,
    },
  })
  const [found, sang] = await Promise.all([find(), singer.find('canary.example', { fresh: true })])
  expect(sang.ok).toBe(true)
  // One word on each, whatever it was.
  const told = events.flatMap(event => (event.type === 'discovery:failed' ? [event.detail.length] : []))
  for (const length of told) expect(length).toBeLessThan(200)
  return found
}

const refused = async (pages: Record<string, Page>, kind: string) => {
  const found = await ask(pages, kind === 'timeout' ? SOON : LIMITS)
  expect(found).toMatchObject({ ok: false, failure: { kind } })
}
const urlsOf = (found: Discovered) => (found.ok ? found.candidates.map(({ url }) => url) : [])
const json = (body: string | Uint8Array, headers: Record<string, string> = {}): Page => ({ body, headers })
const raw =
  (write: (socket: Socket) => void): Page =>
  (_request: IncomingMessage, response: ServerResponse) => {
    const { socket } = response
    if (socket === null) return
    socket.on('error', () => {})
    write(socket)
  }
const dribble = (socket: Socket, text: string) => {
  let at = 0
  const timer = setInterval(() => socket.write(text.charAt(at++)), 10)
  socket.on('close', () => clearInterval(timer))
}
const every = (socket: Socket, ms: number, chunk: string) => {
  const timer = setInterval(() => socket.write(chunk), ms)
  socket.on('close', () => clearInterval(timer))
}

beforeAll(async () => {
  await ask({ [JRD]: GOOD })
  baseline = resources()
})
afterEach(() => backTo(baseline))

describe('redirects', () => {
  const to = (location: string | undefined, status = 302): Page => ({
    status,
    ...(location === undefined ? {} : { headers: { Location: location } }),
    body: 'x'.repeat(1_000),
  })
  const cases: readonly (readonly [title: string, location: string | undefined, kind: string])[] = [
    ['to http', 'http://www.montague.example/x', 'http'],
    ['to another scheme', 'ftp://www.montague.example/x', 'http'],
    ['to javascript', 'javascript:alert(1)', 'http'],
    ['to data', `data:application/json,${GOOD}`, 'http'],
    ['to a file', 'file:///etc/passwd', 'http'],
    ['nowhere', undefined, 'http'],
    ['to an empty place', '', 'http'],
    ['to no URL', 'https://', 'http'],
    ['to itself', JRD, 'http'],
    ['with a user', 'https://user:secret@www.montague.example/x', 'http'],
    ['to a user that looks like a host', 'https://www.montague.example@other.example/x', 'http'],
    ['to loopback', 'https://127.0.0.1/x', 'http'],
    ['to loopback in hexadecimal', 'https://0x7f.1/x', 'http'],
    ['to loopback as a number', 'https://2130706433/x', 'http'],
    ['to loopback in octal', 'https://017700000001/x', 'http'],
    ['to loopback, short', 'https://127.1/x', 'http'],
    ['to loopback in full-width digits', 'https://%EF%BC%91%EF%BC%92%EF%BC%97.1/x', 'http'],
    ['to loopback in IPv6', 'https://[::1]/x', 'http'],
    ['to mapped loopback', 'https://[::ffff:127.0.0.1]/x', 'http'],
    ['to loopback behind NAT64', 'https://[64:ff9b::7f00:1]/x', 'http'],
    ['to metadata', 'https://169.254.169.254/latest/meta-data', 'http'],
    ['to localhost', 'https://localhost/x', 'http'],
    ['to localhost with a dot', 'https://localhost./x', 'http'],
    ['to a name below localhost', 'https://x.localhost/x', 'http'],
    ['to one label', 'https://intranet/x', 'http'],
    ['to .local', 'https://printer.local/x', 'http'],
    ['to .internal', 'https://metadata.google.internal/x', 'http'],
    ['to .onion', 'https://x.onion/x', 'http'],
    ['to port 0', 'https://www.montague.example:0/x', 'http'],
    ['to port 22', 'https://www.montague.example:22/x', 'forbidden-address'],
    ['to a host that does not prove itself', 'https://stranger.example/x', 'identity'],
  ]
  it.each(cases)('%s', async (_title, location, kind) => {
    const pages = { [JRD]: to(location), [XRD]: to(location) }
    const found = await ask(pages, LIMITS, { 'stranger.example': elsewhere })
    expect(found).toMatchObject({ ok: false, failure: { kind } })
    expect(elsewhere.requests).toEqual([])
  })

  it.each([300, 303, 304, 305])('status %d is no redirect', async status => {
    await refused({ [JRD]: to('https://www.montague.example/x', status) }, 'http')
    expect(elsewhere.requests).toEqual([])
  })

  it.each([
    ['absolute', 'https://www.montague.example/x', true],
    ['without a scheme', '//www.montague.example/x', true],
    ['with backslashes', '\\\\www.montague.example/x', true],
    ['relative', '../ok', false],
    ['with a fragment', '/ok#x', false],
    ['in other letters', 'HTTPS://WWW.MONTAGUE.EXAMPLE/x', true],
  ] as const)('a location %s is followed to where it was parsed to', async (_title, location, away) => {
    const found = await ask({ [JRD]: to(location), '/ok': GOOD })
    expect(urlsOf(found)).toEqual([A])
    expect(elsewhere.requests).toHaveLength(away ? 1 : 0)
  })

  it('a loop of two ends', async () => {
    await refused({ [JRD]: to('/a'), '/a': to('/b'), '/b': to('/a') }, 'http')
    // The document and three hops (DECISIONS 21).
    expect(web.requests.filter(line => /\/[ab]$/.test(line)).length).toBeGreaterThanOrEqual(3)
  })

  it.each([1, 2, 3, 4, 5, 6])('a chain of %d', async length => {
    const pages: Record<string, Page> = { [`/${length}`]: GOOD }
    for (let hop = 0; hop < length; hop++) pages[hop === 0 ? JRD : `/${hop}`] = to(`/${hop + 1}`, 307)
    expect(urlsOf(await ask(pages))).toEqual(length <= defaultLimits.hostMetaRedirects ? [A] : [])
  })
})

describe('size and time', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
  const cases: readonly (readonly [title: string, kind: string, page: Page])[] = [
    ['10 MiB', 'http', json(' '.repeat(10 * 1024 * 1024))],
    ['one byte too many', 'http', json(GOOD.padEnd(defaultLimits.hostMetaBytes + 1))],
    [
      'an announced terabyte',
      'http',
      raw(socket => socket.end(`${head}Content-Length: 1099511627776\r\n\r\n{`)),
    ],
    [
      'two lengths',
      'http',
      raw(socket => socket.end(`${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`)),
    ],
    [
      'length and chunks',
      'http',
      raw(socket => socket.end(`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)),
    ],
    ['no answer', 'timeout', raw(() => {})],
    [
      'an answer byte by byte',
      'timeout',
      raw(socket => dribble(socket, `${head}X-Long: ${'x'.repeat(1_000)}`)),
    ],
    [
      'a body byte by byte',
      'timeout',
      raw(socket => {
        socket.write(`${head}Content-Length: 1000\r\n\r\n`)
        every(socket, 20, ' ')
      }),
    ],
    [
      'endless chunks',
      'http',
      raw(socket => {
        socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
        every(socket, 1, `1000\r\n${' '.repeat(4_096)}\r\n`)
      }),
    ],
    [
      'endless chunks of one byte',
      'timeout',
      raw(socket => {
        socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
        every(socket, 1, '1\r\n \r\n')
      }),
    ],
    [
      'an endless body without length',
      'http',
      raw(socket => {
        socket.write(`${head}\r\n`)
        every(socket, 1, ' '.repeat(4_096))
      }),
    ],
    ['a head of 17 KiB', 'http', json(GOOD, { 'X-Long': 'x'.repeat(17 * 1024) })],
    [
      '1 000 header fields of 20 bytes',
      'http',
      json(GOOD, Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`X-${n}`, 'x'.repeat(12)]))),
    ],
    [
      'a flood of interim answers',
      'http',
      raw(socket => every(socket, 1, 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(50))),
    ],
    ['a flood of 100s', 'http', raw(socket => every(socket, 1, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)))],
    [
      '101',
      'http',
      raw(socket =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      ),
    ],
    ['no HTTP', 'http', raw(socket => socket.end('<stream:stream>'))],
    ['HTTP/0.9', 'http', raw(socket => socket.end(GOOD))],
    ['a reset before the answer', 'http', raw(socket => socket.destroy())],
    [
      'a reset within the body',
      'http',
      raw(socket => {
        socket.write(`${head}Content-Length: 1000\r\n\r\n{`)
        setTimeout(() => socket.destroy(), 10)
      }),
    ],
    [
      'an end within the body',
      'http',
      raw(socket => socket.end(`${head}Content-Length: 1000\r\n\r\n${GOOD}`)),
    ],
    [
      'an end within the chunks',
      'http',
      raw(socket => socket.end(`${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}`)),
    ],
  ]
  it.each(cases)('%s', async (_title, kind, page) => {
    await refused({ [JRD]: page, [XRD]: page }, kind)
  })

  it('takes exactly the limit', async () => {
    expect(urlsOf(await ask({ [JRD]: GOOD.padEnd(defaultLimits.hostMetaBytes) }))).toEqual([A])
  })

  it('an answer in time of one document is enough, whatever the other does', async () => {
    expect(urlsOf(await ask({ [JRD]: GOOD, [XRD]: raw(() => {}) }))).toEqual([A])
  })

  it('a caller that gives up is let go at once, and nothing stays open', async () => {
    web.pages = { [JRD]: raw(() => {}), [XRD]: raw(() => {}) }
    const { find } = finder({ web: { 'montague.example': web } })
    const giveUp = new AbortController()
    const waiting = find('montague.example', { signal: giveUp.signal })
    const other = new AbortController()
    const alsoWaiting = find('montague.example', { signal: other.signal })
    giveUp.abort()
    expect(await waiting).toMatchObject({ ok: false, failure: { by: 'us', kind: 'aborted' } })
    other.abort()
    expect(await alsoWaiting).toMatchObject({ ok: false, failure: { by: 'us', kind: 'aborted' } })
    expect(await find('montague.example', { signal: AbortSignal.abort() })).toMatchObject({ ok: false })
  })
})

describe('encodings', () => {
  const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024, ' '))
  it.each([
    ['gzip', 'gzip', gzipSync(GOOD)],
    ['a gzip bomb', 'gzip', bomb],
    ['gzip, 5 000 times', Array.from({ length: 2_500 }, () => 'gzip').join(','), bomb],
    ['br', 'br', Buffer.from(GOOD)],
    ['deflate', 'deflate', Buffer.from(GOOD)],
    ['an unknown one', 'aes128gcm', Buffer.from(GOOD)],
    ['identity and gzip', 'identity, gzip', Buffer.from(GOOD)],
    ['an empty one', '', Buffer.from(GOOD)],
  ] as const)('%s is refused', async (_title, encoding, body) => {
    await refused({ [JRD]: json(body, { 'Content-Encoding': encoding }) }, 'http')
  })

  it('identity is none', async () => {
    expect(urlsOf(await ask({ [JRD]: json(GOOD, { 'Content-Encoding': 'Identity' }) }))).toEqual([A])
  })

  it('gzip as a transfer coding is no JSON', async () => {
    const page = json(gzipSync(GOOD), { 'Transfer-Encoding': 'gzip, chunked' })
    const found = await ask({ [JRD]: page })
    expect(found.ok).toBe(false)
  })
})

describe('status and syntax', () => {
  it.each([201, 202, 204, 206, 400, 401, 403, 418, 429, 500, 502, 503])('HTTP %d', async status => {
    const page = { status, body: status === 204 ? '' : GOOD }
    const found = await ask({ [JRD]: page, [XRD]: page })
    expect(found).toMatchObject({ ok: false, failure: { kind: 'http', status } })
  })
  it.each([404, 410])('HTTP %d: there is nothing', async status => {
    await refused({ [JRD]: { status, body: GOOD }, [XRD]: { status, body: GOOD } }, 'no-endpoint')
  })

  const href = (text: string) => jrd([{ rel: 'urn:xmpp:alt-connections:s2s-websocket', href: text }])
  const useless: readonly (readonly [title: string, body: string | Uint8Array])[] = [
    ['HTML', '<!DOCTYPE html><html><body>404</body></html>'],
    ['nothing', ''],
    ['UTF-16', Buffer.from(`\ufeff${GOOD}`, 'utf16le')],
    ['invalid UTF-8', Buffer.concat([Buffer.from('{"x":"'), Buffer.of(0xff, 0xc0), Buffer.from('"}')])],
    ['an array', `[${GOOD}]`],
    ['a number', '1'],
    ['null', 'null'],
    ['a string', JSON.stringify(GOOD)],
    ['true', 'true'],
    ['two documents', `${GOOD}${GOOD}`],
    ['a comma too many', GOOD.replace(']}', '],}')],
    ['a comment', `/* */${GOOD}`],
    ['depth 10 000, open', '['.repeat(10_000)],
    ['depth 10 000', `{"links":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['depth 10 000 of objects', `{"links":${'{"links":'.repeat(5_000)}1${'}'.repeat(5_000)}}`],
    ['links that are an object', JSON.stringify({ links: { 0: link(A), length: 1 } })],
    ['links that are a string', JSON.stringify({ links: A })],
    ['links that are null', '{"links":null}'],
    ['no links', '{}'],
    ['links of a prototype', `{"__proto__":${GOOD}}`],
    ['a link of a prototype', `{"links":[{"__proto__":${JSON.stringify(link(A))}}]}`],
    ['links of a constructor', `{"constructor":{"prototype":${GOOD}}}`],
    ['names in other letters', GOOD.replace('links', 'Links')],
    ['the rel in other letters', GOOD.replace('urn:xmpp', 'URN:XMPP')],
    ['the rel of clients', GOOD.replace('s2s-websocket', 'websocket')],
    [
      '10 000 links of others',
      JSON.stringify({ links: Array.from({ length: 5_000 }, () => ({ rel: 'x' })) }),
    ],
    ['a relative URL', href('/s2s')],
    ['a URL without a scheme', href('//a.example/s2s')],
    ['ws', href('ws://a.example/s2s')],
    ['https', href('https://a.example/s2s')],
    ['javascript', href('javascript:alert(1)')],
    ['port 0', href('wss://a.example:0/s2s')],
    ['port 65536', href('wss://a.example:65536/s2s')],
    ['a port of letters', href('wss://a.example:x/s2s')],
    ['a user', href('wss://user@a.example/s2s')],
    ['a password', href('wss://:x@a.example/s2s')],
    ['a fragment', href('wss://a.example/s2s#x')],
    ['an empty fragment', href('wss://a.example/s2s#')],
    ['no host', href('wss:///s2s')],
    ['localhost', href('wss://localhost/s2s')],
    ['localhost with a dot', href('wss://LOCALHOST./s2s')],
    ['one label', href('wss://intranet/s2s')],
    ['.internal', href('wss://metadata.google.internal/')],
    ['.onion', href('wss://x.onion/s2s')],
    ['a space in the host', href('wss://a b.example/s2s')],
    ['a percent in the host', href('wss://a%00.example/s2s')],
  ]
  it.each(useless)('%s', async (_title, body) => {
    await refused({ [JRD]: json(body) }, 'no-endpoint')
  })

  it.each([
    ['a byte order mark', Buffer.from(`\ufeff${GOOD}`)],
    ['1e400', GOOD.replace('{"rel"', '{"priority":1e400,"weight":-1e400,"rel"')],
    ['keys that stand twice: the last one counts', GOOD.replace('{"links"', '{"links":[],"links"')],
    [
      'members named as those of a prototype',
      GOOD.replace('{"links"', '{"toString":1,"__proto__":null,"links"'),
    ],
    ['a type that is HTML', GOOD],
  ] as const)('%s does no harm', async (_title, body) => {
    expect(urlsOf(await ask({ [JRD]: { type: 'text/html', body } }))).toEqual([A])
    expect({}).not.toHaveProperty('links')
  })

  it('keeps the first sixteen links that are of use', async () => {
    const links = Array.from({ length: 600 }, (_, n) => link(`wss://a.example/${n}`))
    const document = jrd([link('ws://b.example/'), ...links])
    expect(document.length).toBeLessThan(defaultLimits.hostMetaBytes)
    const urls = urlsOf(await ask({ [JRD]: document }))
    expect(new Set(urls)).toEqual(
      new Set(Array.from({ length: defaultLimits.hostMetaLinks }, (_, n) => `wss://a.example/${n}`)),
    )
  })
})

describe('XRD', () => {
  const ns = "xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'"
  const one = `<Link rel='urn:xmpp:alt-connections:s2s-websocket' href='${A}'/>`
  const page = (body: string | Uint8Array): Page => ({ type: 'application/xrd+xml', body })
  const lol = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} '${`&l${n};`.repeat(10)}'>`).join('')
  it.each([
    ['a DTD', `<!DOCTYPE XRD><XRD ${ns}>${one}</XRD>`],
    [
      'entities that explode',
      `<!DOCTYPE XRD [<!ENTITY l0 'lol'>${lol}]><XRD ${ns}><Subject>&l9;</Subject>${one}</XRD>`,
    ],
    [
      'an external entity',
      `<!DOCTYPE XRD [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><XRD ${ns}><Subject>&x;</Subject>${one}</XRD>`,
    ],
    [
      'a parameter entity',
      `<!DOCTYPE XRD [<!ENTITY % x SYSTEM 'https://other.example/x'> %x;]><XRD ${ns}>${one}</XRD>`,
    ],
    ['an external DTD', `<!DOCTYPE XRD SYSTEM 'https://other.example/x'><XRD ${ns}>${one}</XRD>`],
    ['an unknown entity', `<XRD ${ns}><Subject>&nbsp;</Subject>${one}</XRD>`],
    ['a stylesheet', `<?xml-stylesheet href='https://other.example/x'?><XRD ${ns}>${one}</XRD>`],
    ['a processing instruction', `<XRD ${ns}><?php x ?>${one}</XRD>`],
    ['no namespace', `<XRD>${one}</XRD>`],
    ['another namespace', `<XRD xmlns='urn:x'>${one}</XRD>`],
    ['the namespace in other letters', `<XRD ${ns.replace('xrd-1.0', 'XRD-1.0')}>${one}</XRD>`],
    ['lower case', `<xrd ${ns}>${one}</xrd>`],
    ['links in lower case', `<XRD ${ns}>${one.replace('Link', 'link')}</XRD>`],
    ['links below something else', `<XRD ${ns}><Property>${one}</Property></XRD>`],
    ['an XRDS', `<XRDS ${ns}><XRD>${one}</XRD></XRDS>`],
    ['two roots', `<XRD ${ns}>${one}</XRD><XRD ${ns}>${one}</XRD>`],
    ['text behind', `<XRD ${ns}>${one}</XRD>x`],
    ['an open element', `<XRD ${ns}>${one}`],
    ['an attribute twice', `<XRD ${ns}>${one.replace(' href', " rel='x' href")}</XRD>`],
    ['an unbound prefix', `<x:XRD>${one}</x:XRD>`],
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from(`<XRD ${ns}><Subject>`),
        Buffer.of(0xff),
        Buffer.from(`</Subject>${one}</XRD>`),
      ]),
    ],
    ['UTF-16', Buffer.from(`\ufeff<XRD ${ns}>${one}</XRD>`, 'utf16le')],
    ['another encoding', `<?xml version='1.0' encoding='latin1'?><XRD ${ns}>${one}</XRD>`],
    ['XML 1.1', `<?xml version='1.1'?><XRD ${ns}>${one}</XRD>`],
    ['depth 10 000', `<XRD ${ns}>${'<a>'.repeat(5_000)}${'</a>'.repeat(5_000)}${one}</XRD>`],
    ['HTML', '<!DOCTYPE html><html><body>x</body></html>'],
    ['nothing', ''],
    ['a relative URL', `<XRD ${ns}>${one.replace(A, '/s2s')}</XRD>`],
    ['ws', `<XRD ${ns}>${one.replace('wss', 'ws')}</XRD>`],
    ['loopback by name', `<XRD ${ns}>${one.replace('a.example', 'localhost')}</XRD>`],
    [
      'XInclude',
      `<XRD ${ns}><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='https://other.example/x'/></XRD>`,
    ],
  ] as const)('%s', async (_title, body) => {
    await refused({ [XRD]: page(body) }, 'no-endpoint')
    expect(elsewhere.requests).toEqual([])
  })

  it('keeps the first sixteen of many links', async () => {
    const links = Array.from({ length: 600 }, (_, n) => one.replace('/s2s', `/${n}`)).join('')
    expect(urlsOf(await ask({ [XRD]: page(`<XRD ${ns}>${links}</XRD>`) }))).toHaveLength(16)
  })
})

describe('XEP-0487', () => {
  const dial = async (members: object, xmpp: unknown = { ttl: 60 }, connect = {}) => {
    web.pages = { [JRD]: jrd([link(A, members as Record<string, unknown>)], xmpp) }
    const { find, resolver } = finder({ web: { 'montague.example': web }, ...connect })
    const found = await find()
    const candidate = found.ok ? found.candidates[0] : undefined
    if (candidate === undefined) throw new Error(JSON.stringify(found))
    const { host, port, addresses } = candidate
    const resolved = await resolver.resolve(host, port, addresses, new AbortController().signal)
    return { candidate, resolved }
  }

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '100.100.100.200',
    '192.168.1.1',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    'fe80::1',
    'fe80::1%lo',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    'fec0::1',
    '2001:db8::1',
  ])('an address of %s is refused', async ip => {
    const { resolved } = await dial({ ips: [ip] })
    expect(resolved).toMatchObject({ ok: false, failure: { kind: 'forbidden-address' } })
  })

  it('takes the good ones of a thousand', async () => {
    const ips = [...Array.from({ length: 40 }, (_, n) => `10.0.0.${n}`), 'x', 5, null, '8.8.8.8', '9.9.9.9']
    const { resolved } = await dial({ ips })
    expect(resolved).toMatchObject({ ok: true, endpoints: [{ address: '8.8.8.8' }, { address: '9.9.9.9' }] })
    const many = await dial({ ips: Array.from({ length: 1_000 }, (_, n) => `8.8.${n >> 8}.${n & 255}`) })
    expect(many.resolved).toMatchObject({ ok: true })
    expect(many.resolved.ok && many.resolved.endpoints).toHaveLength(defaultLimits.addressesPerName)
  })

  it.each(['garbage', '127.1', '0x7f000001', '2130706433', '1.2.3', '1.2.3.4:443', '[::1]', '', ' 8.8.8.8'])(
    'what is no address (%s) is none',
    async ip => {
      expect((await dial({ ips: [ip] })).candidate.addresses).toBeNull()
    },
  )

  it.each([
    ['a name', 'edge.example', 'edge.example'],
    ['upper case and a dot', 'EDGE.example.', 'edge.example'],
    ['an address', '127.0.0.1', 'a.example'],
    ['a NUL', 'a\0.example', 'a.example'],
    ['a space', 'a b', 'a.example'],
    ['300 bytes', `${'a.'.repeat(150)}example`, 'a.example'],
    ['nothing', '', 'a.example'],
    ['a wildcard', '*.example', 'a.example'],
    ['an international name', 'bücher.example', 'xn--bcher-kva.example'],
  ])('sni: %s', async (_title, sni, expected) => {
    const { candidate } = await dial({ sni })
    expect(candidate.servername).toBe(expected)
    // It is sent, not believed.
    expect(candidate.names.hosts).toEqual(['a.example'])
  })

  it('pins that are none are left out', async () => {
    const pin = Buffer.alloc(32, 7).toString('base64')
    const pins = [
      pin,
      pin.slice(0, -1),
      `${pin}=`,
      pin.toLowerCase().replace(/.=$/, 'B='),
      Buffer.alloc(31).toString('base64'),
      Buffer.alloc(33).toString('base64'),
      Buffer.alloc(64).toString('base64'),
      Buffer.alloc(32, 255).toString('base64url'),
      `sha256/${pin}`,
      5,
      null,
      [pin],
    ]
    const { candidate } = await dial({}, { ttl: 60, 'public-key-pins-sha-256': pins })
    expect(candidate.names.pins).toEqual([pin])
    const none = await dial({}, { ttl: 60, 'public-key-pins-sha-256': pin, 'public-key-pins-sha-1': [pin] })
    expect(none.candidate.names.pins).toEqual([])
    const many = await dial(
      {},
      { ttl: 60, 'public-key-pins-sha-256': Array.from({ length: 1_000 }, () => pin) },
    )
    expect(many.candidate.names.pins).toHaveLength(defaultLimits.hostMetaPins)
  })
})

describe('TLS', () => {
  it.each([
    ['for the URL’s host only', { dns: ['a.example'] }, 'name-mismatch'],
    ['for a name below', { dns: ['www.montague.example'] }, 'name-mismatch'],
    ['for a wildcard below', { dns: ['*.montague.example'] }, 'name-mismatch'],
    ['for nobody', { dns: [] }, 'name-mismatch'],
    ['expired', { dns: ['montague.example'], notAfterMs: Date.now() - 1_000 }, 'expired'],
    ['for clients', { dns: ['montague.example'], ekus: ['clientAuth'] }, 'purpose'],
  ] as const)('a certificate %s', async (_title, options, reason) => {
    const server = await webServer({ [JRD]: GOOD }, { certificate: webAuthority.issue(options) })
    const found = await finder({ web: { 'montague.example': server } }).find()
    expect(found).toMatchObject({ ok: false, failure: { by: 'peer', kind: 'identity', reason } })
    expect(server.requests).toEqual([])
    await server.close()
  })

  it('a certificate of an unknown authority', async () => {
    const certificate = testAuthority().issue({ dns: ['montague.example'] })
    const server = await webServer({ [JRD]: GOOD }, { certificate })
    const found = await finder({ web: { 'montague.example': server } }).find()
    expect(found).toMatchObject({ ok: false, failure: { by: 'peer', kind: 'identity', reason: 'untrusted' } })
    await server.close()
  })
})

describe('cache', () => {
  it('flapping answers: each is believed for its time', async () => {
    let skewMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs }
    const { find } = finder({ web: { 'montague.example': web }, discovery: { clock } })
    const answers: [Record<string, Page>, readonly string[]][] = [
      [{ [JRD]: jrd([link(A)], { ttl: 60 }) }, [A]],
      [{ [JRD]: raw(socket => socket.destroy()), [XRD]: raw(socket => socket.destroy()) }, [A]],
      [{}, []],
      [{ [JRD]: jrd([link('wss://b.example/')], { ttl: 60 }) }, ['wss://b.example/']],
      [{ [JRD]: { status: 500 }, [XRD]: { status: 500 } }, ['wss://b.example/']],
      [{ [JRD]: '{}', [XRD]: '' }, []],
    ]
    for (const [pages, expected] of answers) {
      web.pages = pages
      expect(urlsOf(await find())).toEqual(expected)
      web.pages = {}
      expect(urlsOf(await find())).toEqual(expected)
      skewMs += 400_000
    }
  })

  it('holds a bounded number of domains, the least recently used goes', async () => {
    const names = Array.from({ length: 40 }, (_, n) => `town-${n}.example`)
    const server = await webServer({ [JRD]: GOOD }, { names })
    const { find } = finder({
      web: Object.fromEntries(names.map(name => [name, server])),
      limits: { discoveryCacheEntries: 10 },
    })
    const asked = () => server.requests.filter(line => line.endsWith('.json')).length
    for (const name of names) {
      await find(name)
      await find('town-0.example')
    }
    expect(asked()).toBe(40)
    await find('town-39.example')
    expect(asked()).toBe(40)
    await find('town-1.example')
    expect(asked()).toBe(41)
    await server.close()
  })

  it('a fresh look reads no cache and leaves none', async () => {
    const { find, discovery } = finder({ web: { 'montague.example': web } })
    web.pages = { [JRD]: GOOD }
    const asked = () => web.requests.filter(line => line.endsWith('.json')).length
    const before = asked()
    await find('montague.example', { fresh: true })
    await find('montague.example', { fresh: true })
    await find()
    await find()
    expect(asked() - before).toBe(3)
    web.pages = {}
    expect(await find('montague.example', { fresh: true })).toMatchObject({ ok: false })
    expect(urlsOf(await find())).toEqual([A])
    discovery.forget(domain('montague.example'))
  })
})

describe('DNS', () => {
  const lookUp = async (dns: Awaited<ReturnType<typeof testDns>>, name: string, limits = {}) => {
    const { resolver } = finder({
      resolver: { dnsServers: [dns.address] },
      limits: { dnsMs: name === 'silent.example' ? 300 : 20_000, ...limits },
    })
    const resolved = await resolver.resolve(name, 443, null, new AbortController().signal)
    return resolved.ok ? resolved.endpoints.map(({ address }) => address) : resolved.failure.kind
  }

  it('each odd answer has its outcome', async () => {
    const dns = await testDns({
      'empty.example': [],
      'four.example': ['8.8.8.8'],
      'six.example': ['2a00:1450:4001::1'],
      'many.example': Array.from({ length: 100 }, (_, n) => `8.8.4.${n}`),
      'mixed.example': ['8.8.8.8', '127.0.0.1'],
      'alias.example': { cname: 'four.example' },
      'alias-in.example': { cname: 'loopback.example' },
      'loopback.example': ['127.0.0.1'],
      'loop.example': { cname: 'loop.example' },
      'broken.example': 'servfail',
      'silent.example': 'silence',
      'zero.example': ['0.0.0.0'],
      'mapped.example': ['::ffff:127.0.0.1'],
      'nat64.example': ['64:ff9b::808:808', '64:ff9b::a00:1'],
    })
    expect(await lookUp(dns, 'empty.example')).toBe('dns')
    expect(await lookUp(dns, 'nobody.example')).toBe('dns')
    expect(await lookUp(dns, 'four.example')).toEqual(['8.8.8.8'])
    expect(await lookUp(dns, 'six.example')).toEqual(['2a00:1450:4001::1'])
    expect(await lookUp(dns, 'many.example')).toHaveLength(8)
    expect(await lookUp(dns, 'mixed.example')).toEqual(['8.8.8.8'])
    expect(await lookUp(dns, 'alias.example')).toEqual(['8.8.8.8'])
    expect(await lookUp(dns, 'alias-in.example')).toBe('forbidden-address')
    expect(await lookUp(dns, 'broken.example')).toBe('dns')
    expect(await lookUp(dns, 'silent.example')).toBe('timeout')
    expect(await lookUp(dns, 'zero.example')).toBe('forbidden-address')
    expect(await lookUp(dns, 'mapped.example')).toBe('forbidden-address')
    expect(await lookUp(dns, 'nat64.example')).toEqual(['64:ff9b::808:808'])
    // One family that never answers holds nobody up.
    dns.silent = new Set(['AAAA'])
    expect(await lookUp(dns, 'four.example', { dnsMs: 60_000, dnsFamilyMs: 20 })).toEqual(['8.8.8.8'])
    await dns.close()
  })

  it('two hundred domains whose servers never answer do not hold up one that does', async () => {
    const zone = Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`tar-${n}.example`, 'silence' as const]),
    )
    const dns = await testDns(zone)
    const { find } = finder({
      web: { 'canary.example': canary },
      resolver: { dnsServers: [dns.address] },
      limits: { dnsMs: 300, hostMetaMs: 300, discoveriesInFlight: 256 },
    })
    const stuck = Promise.all(Object.keys(zone).map(name => find(name)))
    expect(urlsOf(await find('canary.example'))).toEqual([A])
    for (const found of await stuck) expect(found).toMatchObject({ ok: false, failure: { kind: 'timeout' } })
    await dns.close()
  })
})

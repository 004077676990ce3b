import { createServer as createHttpServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Random } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import { createResolver, type Discovered, hostMetaDocuments } from '../../src/discovery/index.ts'
import { createTlsContext, dialTls, race } from '../../src/transport/index.ts'
import { type TestDns, testDns } from '../kit/dns.ts'
import { domain } from '../kit/fronts.ts'
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
  xrd,
} from '../kit/host-meta.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function web(...options: Parameters<typeof webServer>): Promise<WebServer> {
  const server = await webServer(...options)
  closing.push(() => server.close())
  return server
}

async function dns(...zone: Parameters<typeof testDns>): Promise<TestDns> {
  const server = await testDns(...zone)
  closing.push(() => server.close())
  return server
}

/** montague.example publishes these pages. */
async function montague(
  pages: Record<string, Page>,
  more: Parameters<typeof finder>[0] = {},
): Promise<Finder> {
  return finder({ ...more, web: { 'montague.example': await web(pages) } })
}

const urlsOf = (found: Discovered) => (found.ok ? found.candidates.map(({ url }) => url) : found.failure)
const first = (found: Discovered) => {
  const candidate = found.ok ? found.candidates[0] : undefined
  if (candidate === undefined) throw new Error(JSON.stringify(found))
  return candidate
}
const A = 'wss://a.example/s2s'
const B = 'wss://b.example/s2s'
const signal = () => new AbortController().signal

describe('retrieval', () => {
  it('[DS-01] asks over HTTPS on port 443 only, and believes nobody but the domain itself', async () => {
    const found = await montague({ [JRD]: jrd([link(A)]) })
    expect(urlsOf(await found.find())).toEqual([A])

    // Plain HTTP, where HTTPS should be.
    let asked = 0
    const plain = createHttpServer((_request, response) => {
      asked += 1
      response.end(jrd([link(A)]))
    })
    await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
    closing.push(() => plain.close())
    const bound = plain.address()
    const port = typeof bound === 'object' ? bound?.port : 0
    const connect = {
      'montague.example:443': `127.0.0.1:${port}`,
      'montague.example:80': `127.0.0.1:${port}`,
    }
    const nothing = await finder({ resolver: { connect } }).find()
    expect(nothing).toMatchObject({ ok: false, failure: { by: 'network', kind: 'tls' } })
    expect(asked).toBe(0)
  })

  it('[DS-01 CT-10] a certificate for another name, or of another authority, says nothing about the domain', async () => {
    const pages = { [JRD]: jrd([link('wss://edge.example/s2s')]) }
    for (const [certificate, reason] of [
      [webAuthority.issue({ dns: ['edge.example'] }), 'name-mismatch'],
      [webAuthority.issue({ srv: ['_xmpp-server.montague.example'] }), 'name-mismatch'],
      [webAuthority.issue({ xmpp: ['montague.example'] }), 'name-mismatch'],
      [webAuthority.issue({ dns: ['montague.example'], notAfterMs: Date.now() - 60_000 }), 'expired'],
      [
        (await import('../kit/authority.ts')).testAuthority().issue({ dns: ['montague.example'] }),
        'untrusted',
      ],
    ] as const) {
      const server = await web(pages, { certificate })
      const found = await finder({ web: { 'montague.example': server } }).find()
      expect(found).toMatchObject({ ok: false, failure: { by: 'peer', kind: 'identity', reason } })
      expect(server.requests).toEqual([])
    }
  })

  it('[DS-02] asks for both documents at once, and either alone is enough', async () => {
    const both = await web({ [JRD]: jrd([link(A)]), [XRD]: { type: 'application/xrd+xml', body: xrd(B) } })
    // The JRD waits until the XRD has been asked for as well.
    const waiting: (() => void)[] = []
    both.pages[JRD] = (_request, response) => waiting.push(() => response.end(jrd([link(A)])))
    both.pages[XRD] = (_request, response) => {
      response.end(xrd(B))
      for (const answer of waiting) answer()
    }
    expect(urlsOf(await finder({ web: { 'montague.example': both } }).find())).toEqual([A])

    const json = await montague({ [JRD]: jrd([link(A)]) })
    expect(await json.find()).toMatchObject({ ok: true, source: 'host-meta.json' })
    const xml = await montague({ [XRD]: { type: 'application/xrd+xml', body: xrd(B) } })
    const found = await xml.find()
    expect(found).toMatchObject({ ok: true, source: 'host-meta (XRD)' })
    expect(urlsOf(found)).toEqual([B])
    const labelled = await montague({ [XRD]: { type: 'application/json', body: jrd([link(B)]) } })
    expect(urlsOf(await labelled.find())).toEqual([B])
    const neither = await montague({})
    expect(await neither.find()).toMatchObject({ ok: false, failure: { by: 'peer', kind: 'no-endpoint' } })
  })

  it('[DS-03] follows 301, 302, 307 and 308 to https of any origin, each hop verified, three at most', async () => {
    const www = await web({ '/hm': jrd([link(A)]) }, { names: ['www.montague.example'] })
    for (const status of [301, 302, 307, 308]) {
      const apex = await web({ [JRD]: { status, headers: { Location: 'https://www.montague.example/hm' } } })
      const found = await finder({ web: { 'montague.example': apex, 'www.montague.example': www } }).find()
      expect(urlsOf(found), String(status)).toEqual([A])
    }
    // DECISIONS 21: the hops were verified, so the delegation holds.
    const apex = await web({
      [JRD]: { status: 302, headers: { Location: 'https://www.montague.example/hm' } },
    })
    const found = await finder({ web: { 'montague.example': apex, 'www.montague.example': www } }).find()
    expect(first(found).names).toEqual({ domain: 'montague.example', hosts: ['a.example'], pins: [] })

    const chain = (length: number) =>
      Object.fromEntries([
        ...Array.from({ length }, (_, hop): [string, Page] => [
          hop === 0 ? JRD : `/${hop}`,
          { status: 302, headers: { Location: `/${hop + 1}` } },
        ]),
        [`/${length}`, jrd([link(A)])],
      ])
    expect(urlsOf(await (await montague(chain(3))).find())).toEqual([A])
    expect(await (await montague(chain(4))).find()).toMatchObject({ ok: false, failure: { kind: 'http' } })
  })

  it('[DS-04] asks without credentials, for the type it wants, unencoded', async () => {
    const server = await web({ [JRD]: { type: 'text/plain', body: jrd([link(A)]) } })
    server.pages[XRD] = (_request, response) => setTimeout(() => response.end(), 20)
    // The type that it says is not decisive.
    expect(urlsOf(await finder({ web: { 'montague.example': server } }).find())).toEqual([A])
    const [head] = server.heads
    expect(head?.headers).toMatchObject({ accept: 'application/json', 'accept-encoding': 'identity' })
    expect(head?.headers).not.toHaveProperty('cookie')
    expect(head?.headers).not.toHaveProperty('authorization')
    expect(server.servernames[0]).toBe('montague.example')
  })

  it('[DS-04] gives up what is too long or too slow', async () => {
    const long = await montague({ [JRD]: ' '.repeat(defaultLimits.hostMetaBytes) + jrd([link(A)]) })
    expect(await long.find()).toMatchObject({ ok: false, failure: { kind: 'http' } })
    const slow = await montague({ [JRD]: () => {}, [XRD]: () => {} }, { limits: { hostMetaMs: 100 } })
    expect(await slow.find()).toMatchObject({ ok: false, failure: { by: 'network', kind: 'timeout' } })
  })
})

describe('documents', () => {
  const ns = "xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'"
  const rel = 'urn:xmpp:alt-connections:s2s-websocket'
  const good = `<Link rel='${rel}' href='${A}'/>`
  const xrdOf = async (body: string) =>
    urlsOf(await (await montague({ [XRD]: { type: 'application/xrd+xml', body } })).find())

  it('[DS-05] reads Links of an XRD and ignores what it does not know', async () => {
    expect(await xrdOf(`<XRD ${ns}>${good}</XRD>`)).toEqual([A])
    expect(await xrdOf(`<?xml version='1.0' encoding='UTF-8'?>\n<XRD ${ns}>\n${good}\n</XRD>\n`)).toEqual([A])
    expect(
      await xrdOf(
        `<XRD ${ns}><Subject>x</Subject><Alias>y</Alias><Link rel='${rel}' template='${B}'/><Link rel='${rel}'/>` +
          `<x xmlns='urn:x'><Link rel='${rel}' href='${B}'/></x><Link xmlns='urn:x' rel='${rel}' href='${B}'/>${good}</XRD>`,
      ),
    ).toEqual([A])
    expect(await xrdOf(`<x:XRD xmlns:x=${ns.slice(6)}><x:Link rel='${rel}' href='${A}'/></x:XRD>`)).toEqual([
      A,
    ])
    const nothing = { by: 'peer', kind: 'no-endpoint' }
    expect(await xrdOf(`<XRD>${good}</XRD>`)).toMatchObject(nothing)
    expect(await xrdOf(`<xrd ${ns}>${good}</xrd>`)).toMatchObject(nothing)
  })

  it('[DS-05] has no DTD and no entities', async () => {
    const nothing = { by: 'peer', kind: 'no-endpoint' }
    for (const dtd of [
      `<!DOCTYPE XRD [<!ENTITY h '${A}'>]>`,
      "<!DOCTYPE XRD SYSTEM 'https://montague.example/dtd'>",
      "<!DOCTYPE XRD [<!ENTITY h SYSTEM 'file:///etc/passwd'>]>",
    ])
      expect(await xrdOf(`${dtd}<XRD ${ns}><Link rel='${rel}' href='&h;'/>${good}</XRD>`)).toMatchObject(
        nothing,
      )
    expect(await xrdOf(`<XRD ${ns}><Link rel='${rel}' href='&h;'/>${good}</XRD>`)).toMatchObject(nothing)
  })

  it('[DS-06] a malformed link of a JRD does not void the others', async () => {
    const bad = [
      null,
      1,
      'x',
      [],
      {},
      { rel },
      { href: B },
      { rel: [rel], href: B },
      { rel, href: 1 },
      { rel, href: 'no url' },
      { rel, href: `${B}#x` },
      { rel: rel.toUpperCase(), href: B },
    ]
    const document = JSON.stringify({
      subject: 'x',
      properties: {},
      links: [...bad, link(A, { unknown: [1] })],
    })
    expect(urlsOf(await (await montague({ [JRD]: document })).find())).toEqual([A])
  })

  it('[DS-07] takes s2s-websocket links with wss only', async () => {
    const c2s = ['websocket', 'xbosh', 'tls', 'quic', 's2s-tls', 's2s-quic'].map(name => ({
      rel: `urn:xmpp:alt-connections:${name}`,
      href: B,
    }))
    const others = ['ws://b.example/', 'https://b.example/', 'javascript:1', 'xmpp:b.example'].map(href =>
      link(href),
    )
    expect(urlsOf(await (await montague({ [JRD]: jrd([...c2s, ...others, link(A)]) })).find())).toEqual([A])
    const none = await montague({ [JRD]: jrd([...c2s, ...others]) })
    expect(await none.find()).toMatchObject({ ok: false, failure: { by: 'peer', kind: 'no-endpoint' } })
  })

  it('[DS-08] plain links come in any order', async () => {
    const { find } = await montague({ [JRD]: jrd([link(A), link(B)]) })
    const orders = new Set<string>()
    for (let run = 0; run < 1_000; run++) orders.add(JSON.stringify(urlsOf(await find())))
    expect(orders).toEqual(new Set([JSON.stringify([A, B]), JSON.stringify([B, A])]))
  })
})

describe('XEP-0487', () => {
  const full = { ips: ['192.0.2.10'], priority: 10, weight: 50, sni: 'edge.montague.example' }

  it('[DS-20 DS-50] nothing but addresses is looked up in DNS: no SRV, no TXT', async () => {
    const names = await dns({ 'montague.example': ['127.0.0.1'] })
    const resolver = { dnsServers: [names.address] }
    const complete = await montague({ [JRD]: jrd([link(A, full)], { ttl: 600 }) }, { resolver: {} })
    expect(await complete.find()).toMatchObject({ ok: true, source: 'host-meta.json (XEP-0487)' })
    // Nor is it where there is no document, or none that can be had: SRV is for a transport that does not exist yet.
    await finder({ resolver: { ...resolver, allowPrivate: ['127.0.0.0/8'] } }).find()
    await finder({ resolver }).find()
    expect(new Set(names.questions)).toEqual(new Set(['AAAA montague.example', 'A montague.example']))
  })

  it('[DS-20] a plain document follows XEP-0156, one with an xmpp object XEP-0487', async () => {
    for (const [xmpp, source] of [
      [undefined, 'host-meta.json'],
      [null, 'host-meta.json'],
      ['yes', 'host-meta.json'],
      [[], 'host-meta.json'],
      [{}, 'host-meta.json (XEP-0487)'],
    ] as const)
      expect(await (await montague({ [JRD]: jrd([link(A)], xmpp) })).find()).toMatchObject({
        ok: true,
        source,
      })
  })

  it('[DS-21] clamps ttl to what DECISIONS 12 says; what is no integer is one hour', async () => {
    let skewMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs }
    const hour = 3_600
    for (const [ttl, seconds] of [
      [600, 600],
      [0, 60],
      [-5, 60],
      [1, 60],
      [2 ** 31, 86_400],
      [604_800, 86_400],
      ['600', hour],
      [1.5, hour],
      [null, hour],
      [undefined, hour],
      [[], hour],
    ] as const) {
      const server = await web({ [JRD]: jrd([link(A, full)], { ttl }) })
      const { find } = finder({ web: { 'montague.example': server }, discovery: { clock } })
      await find()
      const asked = server.requests.length
      skewMs += seconds * 1_000 - 20_000
      expect(urlsOf(await find()), String(ttl)).toEqual([A])
      expect(server.requests, `${ttl}: kept`).toHaveLength(asked)
      skewMs += 40_000
      await find()
      expect(server.requests.length, `${ttl}: asked again`).toBeGreaterThan(asked)
    }
  })

  it('[DS-21] what we publish has a ttl of 16 bits', () => {
    const endpoint = { url: A, ips: ['192.0.2.1'] }
    const publish = (ttlSeconds: number) =>
      hostMetaDocuments(domain('montague.example'), { ...endpoint, ttlSeconds })
    expect(JSON.parse(publish(3_600).jrd)).toMatchObject({ xmpp: { ttl: 3_600 } })
    for (const ttl of [604_800, 65_536, 0, 1.5]) expect(() => publish(ttl)).toThrow(TypeError)
  })

  it('[DS-22] tolerates each missing or unreadable member', async () => {
    const dials = async (members: Record<string, unknown>) =>
      first(await (await montague({ [JRD]: jrd([link(A, members)], { ttl: 60 }) })).find())
    const whole = { url: A, host: 'a.example', port: 443, addresses: full.ips, servername: full.sni }
    expect(await dials(full)).toMatchObject(whole)
    for (const member of ['ips', 'priority', 'weight', 'sni'])
      for (const value of [undefined, null, {}, [], -1, 1.5, true]) {
        const expected =
          member === 'ips' ? { addresses: null } : member === 'sni' ? { servername: 'a.example' } : {}
        expect(await dials({ ...full, [member]: value })).toMatchObject({ ...whole, ...expected })
      }
    // Without a priority it comes after those that have one.
    const found = await montague({
      [JRD]: jrd([link(A), link(B, { ...full, priority: 65_535 })], { ttl: 60 }),
    })
    for (let run = 0; run < 20; run++) expect(urlsOf(await found.find())).toEqual([B, A])
  })

  it('[DS-22] publishes every member that a strict reader wants', () => {
    const { jrd: text } = hostMetaDocuments(domain('montague.example'), {
      url: 'wss://edge.montague.example/s2s',
      ips: ['192.0.2.10', '2001:db8::10'],
      ttlSeconds: 3_600,
    })
    // As xmpp-proxy reads it (QK-10): all present, numbers of 16 bits, pins a list.
    const document = JSON.parse(text)
    const u16 = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff
    expect(u16(document.xmpp.ttl)).toBe(true)
    expect(document.xmpp['public-key-pins-sha-256']).toEqual([])
    for (const { priority, weight, sni, ips, href, rel } of document.links) {
      expect([u16(priority), u16(weight), typeof sni, typeof href, typeof rel]).toEqual([
        true,
        true,
        'string',
        'string',
        'string',
      ])
      expect(ips.length).toBeGreaterThan(0)
    }
  })

  it('[DS-23] the listed ips are all dialled, without DNS, at the port of the URL', async () => {
    const names = await dns({ 'a.example': ['192.0.2.99'] })
    const ips = ['203.0.113.1', '8.8.8.8', '2a00:1450:4001::1', 'garbage', '9.9.9.9']
    const server = await web({
      [JRD]: jrd([link('wss://a.example:8443/s2s', { ...full, ips })], { ttl: 60 }),
    })
    const { find, resolver } = finder({
      web: { 'montague.example': server },
      resolver: { dnsServers: [names.address] },
    })
    const { host, port, addresses } = first(await find())
    const resolved = await resolver.resolve(host, port, addresses, signal())
    expect(resolved).toEqual({
      ok: true,
      endpoints: ['8.8.8.8', '2a00:1450:4001::1', '9.9.9.9'].map(address => ({ address, port: 8443 })),
    })
    expect(names.questions).toEqual([])
  })

  it('[DS-23] an ip that is dead is passed over, in documents and in links', async () => {
    // The server listens at one of the two.
    const dead = '127.0.0.2'
    const names = await dns({ 'www.montague.example': [dead, '127.0.0.1'] })
    const www = await web({}, { names: ['www.montague.example'] })
    const ips = [dead, '127.0.0.1']
    www.pages['/hm'] = jrd([link(`wss://a.example:${www.port}/s2s`, { ...full, ips })], { ttl: 60 })
    const location = `https://www.montague.example:${www.port}/hm`
    const apex = await web({ [JRD]: { status: 302, headers: { Location: location } } })
    const { find, resolver } = finder({
      web: { 'montague.example': apex },
      resolver: { dnsServers: [names.address], allowPrivate: ['127.0.0.0/8'] },
    })
    const { host, port, addresses } = first(await find())
    const resolved = await resolver.resolve(host, port, addresses, signal())
    const endpoints = resolved.ok ? resolved.endpoints : []
    const { won, lost } = await race(endpoints, {
      attempt: ({ address, port }, aborted) =>
        dialTls({
          address,
          port,
          servername: 'www.montague.example',
          secureContext: createTlsContext({ identity: null, ca: [webAuthority.caPem] }),
          vet: () => null,
          limits: defaultLimits,
          clock: systemClock,
          signal: aborted,
        }),
      staggerMs: defaultLimits.staggerMs,
      clock: systemClock,
      signal: signal(),
    })
    expect(won).toMatchObject({ ok: true })
    expect(lost).toMatchObject([{ ok: false, failure: { by: 'network', kind: 'unreachable' } }])
    if (won?.ok) won.discard()
  })

  it('[DS-24] lower priority first, and within one by weight', async () => {
    const other = 'wss://c.example/s2s'
    const links = [
      link(B, { ...full, priority: 10, weight: 10 }),
      link(other, { ...full, priority: 10, weight: 30 }),
      link(A, { ...full, priority: 5, weight: 0 }),
    ]
    const { find } = await montague({ [JRD]: jrd(links, { ttl: 600 }) })
    const runs = 4_000
    let heavier = 0
    for (let run = 0; run < runs; run++) {
      const urls = urlsOf(await find())
      if (!Array.isArray(urls)) throw new Error(JSON.stringify(urls))
      expect(urls[0]).toBe(A)
      if (urls[1] === other) heavier += 1
    }
    // A draw of 0 to 40, of which 11 go to the lighter one, whose place is first or second: between 29 and 31 of 41.
    expect(heavier / runs).toBeGreaterThan(0.66)
    expect(heavier / runs).toBeLessThan(0.81)
  })

  it('[DS-26 DS-51] after its ttl it is asked for again; what was known serves, marked, while nobody answers', async () => {
    let skewMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs }
    const server = await web({ [JRD]: jrd([link(A, full)], { ttl: 600 }) })
    const { find } = finder({ web: { 'montague.example': server }, discovery: { clock } })
    expect(await find()).toMatchObject({ ok: true, source: 'host-meta.json (XEP-0487)' })
    server.pages = { [JRD]: { status: 503 }, [XRD]: { status: 503 } }
    skewMs += 601_000
    const stale = await find()
    expect(stale).toMatchObject({ ok: true, source: 'host-meta.json (XEP-0487) (stale)' })
    expect(urlsOf(stale)).toEqual([A])
    // One day, then it is too old.
    skewMs += 86_400_000
    expect(await find()).toMatchObject({ ok: false, failure: { kind: 'http', status: 503 } })
    server.pages = { [JRD]: jrd([link(B, full)], { ttl: 600 }) }
    skewMs += 60_000
    expect(urlsOf(await find())).toEqual([B])
    // A domain that says that there is nothing is believed at once.
    server.pages = {}
    skewMs += 601_000
    expect(await find()).toMatchObject({ ok: false, failure: { kind: 'no-endpoint' } })
  })

  it('[DS-27] ech is ignored', async () => {
    for (const ech of ['garbage', null, {}, 5])
      expect(
        urlsOf(await (await montague({ [JRD]: jrd([link(A, { ...full, ech })], { ttl: 60 }) })).find()),
      ).toEqual([A])
  })

  it('[CT-10 CT-12] a candidate’s certificate may be for the domain or the URL’s host; its SNI is sni or that host', async () => {
    const { find } = await montague({ [JRD]: jrd([link('wss://edge.example:8443/s2s')], { ttl: 60 }) })
    expect(first(await find())).toMatchObject({
      servername: 'edge.example',
      names: { domain: 'montague.example', hosts: ['edge.example'] },
      port: 8443,
    })
    const withSni = await montague({ [JRD]: jrd([link(A, { ...full, sni: 'other.example' })], { ttl: 60 }) })
    expect(first(await withSni.find())).toMatchObject({
      servername: 'other.example',
      names: { domain: 'montague.example', hosts: ['a.example'] },
    })
    const literal = await montague({ [JRD]: jrd([link('wss://8.8.8.8/s2s')]) })
    expect(first(await literal.find())).toMatchObject({ servername: '', names: { hosts: ['8.8.8.8'] } })
  })
})

describe('publishing', () => {
  it('[DS-30] XRD and JRD as in EX-70 and EX-71, with the same links', () => {
    const { jrd: json, xrd: xml } = hostMetaDocuments(domain('montague.example'), {
      url: 'wss://edge.montague.example/s2s',
      ips: ['192.0.2.10', '2001:db8::10'],
      ttlSeconds: 3_600,
    })
    expect(JSON.parse(json)).toEqual({
      xmpp: { ttl: 3_600, 'public-key-pins-sha-256': [] },
      links: [
        {
          rel: 'urn:xmpp:alt-connections:s2s-websocket',
          href: 'wss://edge.montague.example/s2s',
          ips: ['192.0.2.10', '2001:db8::10'],
          priority: 10,
          weight: 50,
          sni: 'edge.montague.example',
        },
      ],
    })
    expect(xml).toBe(
      [
        "<?xml version='1.0' encoding='utf-8'?>",
        "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>",
        "  <Link rel='urn:xmpp:alt-connections:s2s-websocket' href='wss://edge.montague.example/s2s'/>",
        '</XRD>',
        '',
      ].join('\n'),
    )
  })

  it('[DS-30 DS-07] the links of clients beside ours, in both; we take none of them for an endpoint', async () => {
    const links = [
      { rel: 'urn:xmpp:alt-connections:websocket', href: 'wss://edge.montague.example/xmpp-websocket' },
      { rel: 'urn:xmpp:alt-connections:xbosh', href: 'https://edge.montague.example/http-bind?a&b' },
      { rel: 'urn:xmpp:alt-connections:websocket', href: 'wss://other.example/ws' },
    ]
    const url = 'wss://edge.montague.example/s2s'
    const written = hostMetaDocuments(domain('montague.example'), {
      url,
      ips: ['8.8.8.8'],
      ttlSeconds: 60,
      links,
    })
    const members = { ips: ['8.8.8.8'], priority: 10, weight: 50, sni: 'edge.montague.example' }
    expect(JSON.parse(written.jrd).links).toEqual([
      { rel: 'urn:xmpp:alt-connections:s2s-websocket', href: url, ...members },
      { ...links[0], ...members },
      links[1],
      links[2],
    ])
    expect(written.xrd.split('\n').slice(2, 6)).toEqual([
      `  <Link rel='urn:xmpp:alt-connections:s2s-websocket' href='${url}'/>`,
      `  <Link rel='urn:xmpp:alt-connections:websocket' href='wss://edge.montague.example/xmpp-websocket'/>`,
      `  <Link rel='urn:xmpp:alt-connections:xbosh' href='https://edge.montague.example/http-bind?a&amp;b'/>`,
      `  <Link rel='urn:xmpp:alt-connections:websocket' href='wss://other.example/ws'/>`,
    ])
    for (const pages of [
      { [JRD]: { type: 'application/json', body: written.jrd } },
      { [XRD]: { type: 'application/xrd+xml', body: written.xrd } },
    ])
      expect(urlsOf(await (await montague(pages)).find())).toEqual([url])
  })

  it('[DS-30 DS-02] we can read what we publish, either document alone', async () => {
    for (const url of ['wss://edge.montague.example/s2s', "wss://edge.montague.example/s'2<s?a=b&c=d"]) {
      const written = hostMetaDocuments(domain('montague.example'), { url, ips: ['8.8.8.8'], ttlSeconds: 60 })
      for (const pages of [
        { [JRD]: { type: 'application/json', body: written.jrd } },
        { [XRD]: { type: 'application/xrd+xml', body: written.xrd } },
      ])
        expect(urlsOf(await (await montague(pages)).find())).toEqual([new URL(url).href])
    }
  })
})

describe('order and safety', () => {
  const endpoints = [{ domain: domain('montague.example'), url: 'wss://static.example/s2s' }]
  const STATIC = 'wss://static.example/s2s'

  it('[DS-50] a static endpoint first, and host-meta once it has failed (DECISIONS 10)', async () => {
    const server = await web({ [JRD]: jrd([link(A)], { ttl: 60 }) })
    const options = { web: { 'montague.example': server }, discovery: { endpoints } }
    const { find, discovery } = finder(options)
    expect(await find()).toMatchObject({ ok: true, source: 'static' })
    expect(server.requests).toEqual([])
    discovery.forget(domain('montague.example'))
    const found = await find()
    expect(urlsOf(found)).toEqual([STATIC, A])
    // Static endpoints stay where host-meta gives nothing.
    server.pages = {}
    const other = finder(options)
    other.discovery.forget(domain('montague.example'))
    expect(urlsOf(await other.find())).toEqual([STATIC])
  })

  it('[DS-50] a static endpoint is trusted as host-meta would be; with an address its SNI is the domain (DECISIONS 26)', async () => {
    const { find } = finder({
      discovery: {
        endpoints: [
          ...endpoints,
          { domain: domain('montague.example'), url: 'wss://127.0.0.1:9443/s2s' },
          { domain: domain('montague.example'), url: 'wss://[2001:db8::1]/s2s' },
        ],
      },
    })
    const found = await find()
    expect(found.ok && found.candidates).toMatchObject([
      { servername: 'static.example', port: 443, names: { hosts: ['static.example'] }, source: 'static' },
      { servername: 'montague.example', host: '127.0.0.1', port: 9443, names: { hosts: ['127.0.0.1'] } },
      { servername: 'montague.example', host: '2001:db8::1', names: { hosts: ['2001:db8::1'] } },
    ])
  })

  it('[DS-51] a hundred look-ups at once are one; an answer is kept, and so is its absence', async () => {
    let skewMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs }
    const random: Random = { bytes: length => new Uint8Array(length), unit: () => 0.5 }
    const server = await web({ [JRD]: jrd([link(A, { ips: ['8.8.8.8'] })], { ttl: 600 }) })
    const { find, events, discovery } = finder({
      web: { 'montague.example': server },
      discovery: { clock, random },
    })
    const asked = () => server.requests.filter(line => line.endsWith('.json')).length
    await Promise.all(Array.from({ length: 100 }, () => find()))
    expect(asked()).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['discovery:started', 'discovery:found'])
    await find()
    expect(asked()).toBe(1)
    discovery.forget(domain('montague.example'))
    await find()
    expect(asked()).toBe(2)

    server.pages = {}
    discovery.forget(domain('montague.example'))
    expect(await find()).toMatchObject({ ok: false, failure: { kind: 'no-endpoint' } })
    expect(asked()).toBe(3)
    skewMs += 290_000
    await find()
    // What led nowhere is not forgotten any sooner.
    discovery.forget(domain('montague.example'))
    await find()
    expect(asked()).toBe(3)
    skewMs += 20_000
    await find()
    expect(asked()).toBe(4)

    // Its server has come to us: it may be somewhere by now.
    discovery.reconsider(domain('montague.example'))
    await find()
    expect(asked()).toBe(5)
  })

  it('[DS-60] resolves once, refuses what is not public, and connects to exactly what it vetted', async () => {
    const names = await dns({
      'public.example': ['8.8.8.8', '2a00:1450:4001::1'],
      'mixed.example': ['10.0.0.1', '8.8.8.8', '169.254.169.254', 'fd00::1', '2a00:1450:4001::1'],
      'private.example': ['10.0.0.1', '192.168.0.1', '127.0.0.1', '::1', 'fe80::1'],
      'metadata.example': ['169.254.169.254'],
    })
    const resolver = createResolver({
      connect: {},
      allowPrivate: [],
      dnsServers: [names.address],
      limits: defaultLimits,
      clock: systemClock,
    })
    const resolve = async (host: string, port = 443) => {
      const resolved = await resolver.resolve(host, port, null, signal())
      return resolved.ok ? resolved.endpoints.map(({ address }) => address) : resolved.failure.kind
    }
    expect(await resolve('public.example')).toEqual(['2a00:1450:4001::1', '8.8.8.8'])
    expect(await resolve('mixed.example')).toEqual(['2a00:1450:4001::1', '8.8.8.8'])
    expect(await resolve('private.example')).toBe('forbidden-address')
    expect(await resolve('metadata.example')).toBe('forbidden-address')
    for (const literal of ['127.0.0.1', '169.254.169.254', '::1', '[::ffff:127.0.0.1]', '::ffff:7f00:1'])
      expect(await resolve(literal), literal).toBe('forbidden-address')
    for (const port of [1, 22, 25, 80, 1023])
      expect(await resolve('public.example', port)).toBe('forbidden-address')
    for (const port of [443, 5269, 5270, 1024, 65_535])
      expect(await resolve('public.example', port)).toHaveLength(2)
  })

  it('[DS-60] a name that changes its address between two look-ups gains nothing', async () => {
    const names = await dns({ 'montague.example': ['8.8.8.8'] })
    const { find, resolver } = finder({ resolver: { dnsServers: [names.address] } })
    expect(await resolver.resolve('montague.example', 443, null, signal())).toMatchObject({ ok: true })
    names.zone = { 'montague.example': ['127.0.0.1'] }
    // Whatever it said before: this connection goes where this look-up was vetted.
    expect(await find()).toMatchObject({ ok: false, failure: { kind: 'forbidden-address' } })
  })

  it('[DS-60] bounds how many domains are looked up at once', async () => {
    const domains = Array.from({ length: 12 }, (_, index) => `town-${index}.example`)
    const server = await web({}, { names: domains })
    let now = 0
    let most = 0
    server.pages[JRD] = (_request, response) => {
      now += 1
      most = Math.max(most, now)
      setTimeout(() => {
        now -= 1
        response.writeHead(404).end()
      }, 5)
    }
    const { find } = finder({
      web: Object.fromEntries(domains.map(name => [name, server])),
      limits: { discoveriesInFlight: 3, discoveriesWaiting: 5 },
    })
    const found = await Promise.all(domains.map(name => find(name)))
    expect(most).toBeLessThanOrEqual(3)
    const kinds = found.map(result => (result.ok ? 'ok' : result.failure.kind))
    expect(kinds.filter(kind => kind === 'no-endpoint')).toHaveLength(8)
    expect(kinds.filter(kind => kind === 'overload')).toHaveLength(4)
    // Those are not remembered against anybody.
    expect(await find('town-11.example')).toMatchObject({ ok: false, failure: { kind: 'no-endpoint' } })
  })

  it('[DS-61] names that are not of the public network never reach the resolver', async () => {
    const names = await dns()
    const { find, resolver } = finder({ resolver: { dnsServers: [names.address] } })
    const special = [
      'localhost',
      'a',
      'gate.localhost',
      'gate.local',
      'x.invalid',
      'x.onion',
      'x.internal',
      '1.arpa',
    ]
    for (const name of [...special, '127.0.0.1', '[::1]', 'x.1'])
      expect(await find(name), name).toMatchObject({ ok: false, failure: { kind: 'forbidden-address' } })
    for (const name of [
      'localhost',
      'x..y',
      `${'a'.repeat(64)}.example`,
      `${'abcdefgh.'.repeat(33)}example`,
      'x y.example',
    ])
      expect(await resolver.resolve(name, 443, null, signal()), name).toMatchObject({ ok: false })
    expect(names.questions).toEqual([])
    // It does work.
    await find('montague.example')
    expect(names.questions).not.toEqual([])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import type { ListenAddress } from '../../src/front/index.ts'
import { createTrustStore, judgePeer } from '../../src/identity/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { authority, domain, frontDomain, LOOPBACK, type TestFront, testFront } from '../kit/fronts.ts'
import { rawTcp, rawTls, upgradeRequest } from '../kit/wire.ts'

// What is said of a client's certificate in header fields (SECURITY 6.3): by whom it is believed, and in which words.

const SECRET = 'a secret that only the proxy in front knows'
const CAPULET = authority.issue({ dns: ['capulet.example'] })
const [LEAF = Buffer.alloc(0), INTERMEDIATE = Buffer.alloc(0)] = CAPULET.chainDer
const STRANGER = testAuthority().issue({ dns: ['capulet.example'] })

const sequence = (der: Uint8Array) => `:${Buffer.from(der).toString('base64')}:`
const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`
const encoded = (...ders: readonly Uint8Array[]) => encodeURIComponent(ders.map(pem).join(''))
/** AWS leaves these as they are. */
const encodedByAws = (...ders: readonly Uint8Array[]) =>
  encoded(...ders)
    .replaceAll('%2B', '+')
    .replaceAll('%3D', '=')
    .replaceAll('%2F', '/')

type Format = 'rfc9440' | 'xfcc' | 'nginx' | 'alb'

/** What stands behind the proxy's own words: a leaf, a chain, nothing. */
type Outcome = 'leaf' | 'chain' | 'none'

type Case = readonly [
  title: string,
  format: Format | null,
  lines: readonly string[],
  outcome: Outcome,
  told: RegExp | null,
]

const CC = 'Client-Cert'
const CHAIN = 'Client-Cert-Chain'
const XFCC = 'X-Forwarded-Client-Cert'
const NGINX = 'X-SSL-Client-Cert'
const ALB = 'X-Amzn-Mtls-Clientcert'
const leaf = sequence(LEAF)
const xfccOf = (...parts: readonly string[]) => `${XFCC}: ${parts.join(';')}`

const cases: readonly Case[] = [
  // -- RFC 9440
  ['a leaf', 'rfc9440', [`${CC}: ${leaf}`], 'leaf', null],
  [
    'a leaf and its chain',
    'rfc9440',
    [`${CC}: ${leaf}`, `${CHAIN}: ${sequence(INTERMEDIATE)}`],
    'chain',
    null,
  ],
  ['no field', 'rfc9440', [], 'none', null],
  ['an empty field', 'rfc9440', [`${CC}:`], 'none', null],
  ['an empty sequence', 'rfc9440', [`${CC}: ::`], 'none', /not a sequence/],
  ['the field twice', 'rfc9440', [`${CC}: ${leaf}`, `${CC}: ${leaf}`], 'none', /more than once/],
  ['two values in one field', 'rfc9440', [`${CC}: ${leaf}, ${leaf}`], 'none', /not a sequence/],
  ['other letters', 'rfc9440', [`client-CERT: ${leaf}`], 'leaf', null],
  ['an underscore', 'rfc9440', [`Client_Cert: ${leaf}`], 'none', null],
  [
    'an underscore beside the field',
    'rfc9440',
    [`Client_Cert: ${sequence(STRANGER.chainDer[0] ?? LEAF)}`, `${CC}: ${leaf}`],
    'leaf',
    null,
  ],
  ['base64 without colons', 'rfc9440', [`${CC}: ${leaf.slice(1, -1)}`], 'none', /not a sequence/],
  [
    'base64 with a stray character',
    'rfc9440',
    [`${CC}: ${leaf.slice(0, 40)}*${leaf.slice(41)}`],
    'none',
    /not a sequence/,
  ],
  ['base64 cut short', 'rfc9440', [`${CC}: ${leaf.slice(0, 41)}:`], 'none', /not a sequence|no certificate/],
  ['base64url', 'rfc9440', [`${CC}: ${leaf.slice(0, 40)}-_${leaf.slice(42)}`], 'none', /not a sequence/],
  ['parameters', 'rfc9440', [`${CC}: ${leaf};verified=?1`], 'none', /not a sequence/],
  ['a string in its place', 'rfc9440', [`${CC}: "${leaf.slice(1, -1)}"`], 'none', /not a sequence/],
  ['bytes that are no certificate', 'rfc9440', [`${CC}: :AAAA:`], 'none', /no certificate/],
  [
    'a certificate with bytes behind it',
    'rfc9440',
    [`${CC}: ${sequence(Buffer.concat([LEAF, Buffer.of(0)]))}`],
    'none',
    /no certificate/,
  ],
  [
    'a chain without a leaf',
    'rfc9440',
    [`${CHAIN}: ${sequence(INTERMEDIATE)}`],
    'none',
    /without Client-Cert/,
  ],
  [
    'a chain with rubbish in it',
    'rfc9440',
    [`${CC}: ${leaf}`, `${CHAIN}: ${sequence(INTERMEDIATE)}, x`],
    'none',
    /not a sequence/,
  ],
  [
    'a chain of eleven',
    'rfc9440',
    [`${CC}: ${leaf}`, `${CHAIN}: ${Array(10).fill(sequence(INTERMEDIATE)).join(', ')}`],
    'none',
    /more than 10/,
  ],
  // -- x-forwarded-client-cert
  ['Cert', 'xfcc', [xfccOf('Hash=ab', `Cert="${encoded(LEAF)}"`, 'Subject="CN=x"')], 'leaf', null],
  [
    'Cert and Chain',
    'xfcc',
    [xfccOf(`Cert="${encoded(LEAF)}"`, `Chain="${encoded(LEAF, INTERMEDIATE)}"`)],
    'chain',
    null,
  ],
  ['Chain alone', 'xfcc', [xfccOf(`Chain="${encoded(LEAF, INTERMEDIATE)}"`)], 'chain', null],
  [
    'a Chain of another leaf',
    'xfcc',
    [xfccOf(`Cert="${encoded(LEAF)}"`, `Chain="${encoded(INTERMEDIATE)}"`)],
    'none',
    /does not begin with/,
  ],
  [
    'several elements: the nearest counts',
    'xfcc',
    [`${XFCC}: Cert="${encoded(STRANGER.chainDer[0] ?? LEAF)}",By=x;Cert="${encoded(LEAF)}"`],
    'leaf',
    null,
  ],
  [
    'the nearest element without Cert',
    'xfcc',
    [`${XFCC}: Cert="${encoded(LEAF)}",By=x;Hash=ab`],
    'none',
    /without Cert/,
  ],
  [
    'names only',
    'xfcc',
    [xfccOf('Subject="CN=capulet.example"', 'DNS=capulet.example')],
    'none',
    /without Cert/,
  ],
  [
    'quotation marks within a value',
    'xfcc',
    [xfccOf('Subject="O=\\"a,b;Cert=x\\""', `Cert="${encoded(LEAF)}"`)],
    'leaf',
    null,
  ],
  ['an open quotation mark', 'xfcc', [xfccOf(`Cert="${encoded(LEAF)}`)], 'none', /malformed/],
  ['words behind a quotation mark', 'xfcc', [xfccOf(`Cert="${encoded(LEAF)}"x`)], 'none', /malformed/],
  ['no pair', 'xfcc', [xfccOf('Hash', `Cert="${encoded(LEAF)}"`)], 'none', /malformed/],
  [
    "a client's quotation mark that takes the proxy's words in, and one in its own certificate that lets go of them",
    'xfcc',
    [
      `${XFCC}: Cert="${encoded(LEAF)}";By=",Hash=ab;Cert="${encoded(STRANGER.chainDer[0] ?? LEAF)}";Subject="O=\\"x"`,
    ],
    'none',
    /malformed/,
  ],
  [
    "a URI in the client's certificate that goes on as an element",
    'xfcc',
    [
      xfccOf(
        `Cert="${encoded(STRANGER.chainDer[0] ?? LEAF)}"`,
        'Subject=""',
        `URI=https://x,Cert="${encoded(LEAF)}"`,
      ),
    ],
    'none',
    /behind a URI/,
  ],
  [
    "a DNS name in the client's certificate that goes on as a pair",
    'xfcc',
    [xfccOf('Hash=ab', `DNS=x;Chain=${encoded(LEAF)}`)],
    'none',
    /behind a URI/,
  ],
  [
    'a URI and names where Envoy has them',
    'xfcc',
    [
      xfccOf(
        'By=spiffe://a/b',
        'Hash=ab',
        `Cert="${encoded(LEAF)}"`,
        'Subject="CN=x, O=\\"a;b\\""',
        'URI=',
        'DNS=a.example',
        'DNS=b.example',
      ),
    ],
    'leaf',
    null,
  ],
  [
    'Cert twice',
    'xfcc',
    [xfccOf(`Cert="${encoded(STRANGER.chainDer[0] ?? LEAF)}"`, `Cert="${encoded(LEAF)}"`)],
    'none',
    /twice/,
  ],
  [
    'the field twice',
    'xfcc',
    [xfccOf(`Cert="${encoded(LEAF)}"`), xfccOf(`Cert="${encoded(LEAF)}"`)],
    'none',
    /more than once/,
  ],
  // -- percent-encoded PEM
  ['a leaf', 'nginx', [`${NGINX}: ${encoded(LEAF)}`], 'leaf', null],
  [
    'two certificates',
    'nginx',
    [`${NGINX}: ${encoded(LEAF, INTERMEDIATE)}`],
    'none',
    /more than the certificate/,
  ],
  ['a plus for itself', 'nginx', [`${NGINX}: ${encodedByAws(LEAF)}`], 'leaf', null],
  ['an encoded NUL', 'nginx', [`${NGINX}: ${encoded(LEAF)}%00`], 'none', /percent-encoding/],
  ['a broken percent sign', 'nginx', [`${NGINX}: ${encoded(LEAF)}%zz`], 'none', /percent-encoding/],
  ['text around it', 'nginx', [`${NGINX}: x${encoded(LEAF)}`], 'none', /no PEM/],
  [
    'a verdict of failure beside it, which is not asked',
    'nginx',
    [`${NGINX}: ${encoded(LEAF)}`, 'X-SSL-Client-Verify: FAILED:unable to verify'],
    'leaf',
    null,
  ],
  [
    'a verdict of success without it',
    'nginx',
    ['X-SSL-Client-Verify: SUCCESS', 'X-SSL-Client-S-DN: CN=capulet.example'],
    'none',
    null,
  ],
  ['a chain', 'alb', [`${ALB}: ${encodedByAws(LEAF, INTERMEDIATE)}`], 'chain', null],
  ['a leaf', 'alb', [`${ALB}: ${encodedByAws(LEAF)}`], 'leaf', null],
  // -- another format than the one that is believed
  ['the field of another proxy', 'nginx', [`${CC}: ${leaf}`], 'none', /nobody here/],
  [
    'the field of another proxy beside the right one',
    'rfc9440',
    [`${XFCC}: Cert="${encoded(STRANGER.chainDer[0] ?? LEAF)}"`, `${CC}: ${leaf}`],
    'leaf',
    /nobody here/,
  ],
  ['where none is believed', null, [`${CC}: ${leaf}`], 'none', /nobody here/],
]

const OURS = ['X-Forwarded-Proto: https', 'X-Forwarded-For: 192.0.2.7', `X-Isthmus-Proxy-Secret: ${SECRET}`]

function listenFor(certificate: Format | null, trusted: readonly string[] = ['127.0.0.0/8']): ListenAddress {
  return {
    ...LOOPBACK,
    proxy: { trusted, fields: 'x-forwarded', hops: 1, tls: false, ca: null, secret: SECRET, certificate },
  }
}

let fronts: ReadonlyMap<Format | null, TestFront>
const closing: (() => Promise<void>)[] = []

async function running(listen: ListenAddress): Promise<TestFront> {
  const test = await testFront({ listen: [listen], domains: [frontDomain('montague.example')] })
  closing.push(() => test.front.close())
  return test
}

beforeAll(async () => {
  const formats = ['rfc9440', 'xfcc', 'nginx', 'alb', null] as const
  fronts = new Map(
    await Promise.all(formats.map(async format => [format, await running(listenFor(format))] as const)),
  )
})
afterAll(() => Promise.all(closing.map(close => close())))

const ignored = ({ events }: TestFront) =>
  events.flatMap(event => (event.type === 'forwarded:ignored' ? [event.detail] : []))

async function statusOf(
  test: TestFront,
  lines: readonly string[],
  options: Parameters<typeof upgradeRequest>[0] = {},
) {
  const raw = await rawTcp(test.port)
  raw.write(upgradeRequest({ ...options, lines }))
  const status = (await raw.head())?.status ?? 0
  return { status, end: () => raw.destroy() }
}

describe('a certificate in a header field', () => {
  it.each(cases.map(([title, format, ...rest]) => [format ?? 'off', title, format, ...rest] as const))(
    '[CT-31] %s: %s',
    async (_, _title, format, lines, outcome, told) => {
      const test = fronts.get(format)
      if (test === undefined) throw new Error('a front for each format')
      test.events.length = 0
      const { status, end } = await statusOf(test, [...OURS, ...lines])
      expect(status).toBe(101)
      const { arrival } = await test.arrived()
      const { facts } = arrival.transport
      const chain = outcome === 'none' ? [] : outcome === 'leaf' ? [LEAF] : [LEAF, INTERMEDIATE]
      expect((facts.tls?.chain ?? []).map(der => Buffer.from(der).toString('hex'))).toEqual(
        chain.map(der => Buffer.from(der).toString('hex')),
      )
      expect(facts).toMatchObject({ proxied: true, remoteAddress: '192.0.2.7' })
      expect(facts.tls?.nodeVerdict ?? 'forwarded').toBe('forwarded')
      if (told === null) expect(ignored(test)).toEqual([])
      else expect(ignored(test).join()).toMatch(told)
      arrival.transport.abort()
      end()
    },
  )

  const judged = (chain: readonly Uint8Array[], intermediates: readonly string[] = []) =>
    judgePeer({
      chain,
      nodeVerdict: 'forwarded',
      names: { domain: domain('capulet.example'), hosts: [], pins: [] },
      trust: createTrustStore({ roots: [authority.caPem], intermediates }),
      nowMs: systemClock.wallMs(),
      limits: defaultLimits,
      role: 'receiving',
    })

  it('[CT-31] proves what its path proves, whatever the proxy says of it', () => {
    expect(judged([LEAF, INTERMEDIATE])).toMatchObject({ ok: true, via: 'dns-id' })
    expect(judged(STRANGER.chainDer)).toMatchObject({ ok: false, reason: 'untrusted' })
    expect(judged([])).toMatchObject({ ok: false, reason: 'no-certificate' })
    const clients = authority.issue({ dns: ['capulet.example'], ekus: ['clientAuth'] })
    expect(judged(clients.chainDer)).toMatchObject({ ok: false, reason: 'purpose' })
  })

  it('[CT-31] without its intermediate it proves something only where that is known here', () => {
    expect(judged([LEAF])).toMatchObject({ ok: false, reason: 'untrusted' })
    expect(judged([LEAF], [pem(INTERMEDIATE)])).toMatchObject({ ok: true })
  })
})

describe('who may say so', () => {
  it('[CT-31] not a peer that comes to a TLS listener by itself: what he shows there counts, and the field is told of', async () => {
    const test = await testFront()
    closing.push(() => test.front.close())
    const raw = await rawTls(test.port)
    raw.write(upgradeRequest({ lines: [...OURS, `${CC}: ${leaf}`] }))
    const { arrival } = await test.arrived()
    expect(arrival.transport.facts.tls?.chain).toEqual([])
    expect(arrival.transport.facts.proxied).toBeUndefined()
    expect(ignored(test)).toEqual(['nobody here may say that'])
    arrival.transport.abort()
    raw.destroy()
  })

  it('[CT-31] nor one that shows a certificate there: that one counts', async () => {
    const test = await testFront()
    closing.push(() => test.front.close())
    const shown = authority.issue({ dns: ['paris.example'] })
    const raw = await rawTls(test.port, { cert: shown.certificatePem, key: shown.keyPem })
    raw.write(upgradeRequest({ lines: [...OURS, `${CC}: ${leaf}`] }))
    const { arrival } = await test.arrived()
    const [first = Buffer.alloc(0)] = arrival.transport.facts.tls?.chain ?? []
    expect(Buffer.from(first).equals(shown.chainDer[0] ?? LEAF)).toBe(true)
    expect(arrival.transport.facts.tls?.nodeVerdict).not.toBe('forwarded')
    expect(ignored(test)).toEqual(['nobody here may say that'])
    arrival.transport.abort()
    raw.destroy()
  })

  it('[CT-31] a field longer than a head may be', async () => {
    const test = fronts.get('rfc9440')
    if (test === undefined) throw new Error('a front')
    const before = test.arrivals.length
    const long = Array(40).fill(sequence(INTERMEDIATE)).join(', ')
    expect(long.length).toBeGreaterThan(10 * 1024)
    const fits = await statusOf(test, [...OURS, `${CC}: ${leaf}`, `${CHAIN}: ${long.slice(0, 10 * 1024)}`])
    expect(fits.status).toBe(101)
    const { status, end } = await statusOf(test, [...OURS, `${CC}: ${leaf}`, `${CHAIN}: ${long.repeat(2)}`])
    expect(status).toBe(431)
    expect(test.arrivals).toHaveLength(before + 1)
    fits.end()
    end()
  })

  it('[CT-32] wss is as good as https: Traefik says it of upgrades', async () => {
    const test = await running(listenFor('rfc9440'))
    const { status, end } = await statusOf(test, ['X-Forwarded-Proto: wss', ...OURS.slice(1)])
    expect(status).toBe(101)
    end()
  })

  it.each<[string, readonly string[], number]>([
    ['an outer scheme of ws', ['X-Forwarded-Proto: ws', ...OURS.slice(1)], 403],
    ['no secret', OURS.slice(0, 2), 403],
    ['a wrong secret', [...OURS.slice(0, 2), 'X-Isthmus-Proxy-Secret: guess'], 403],
    ['the secret twice', [...OURS, `X-Isthmus-Proxy-Secret: ${SECRET}`], 403],
    [
      'a guess before the secret',
      [...OURS.slice(0, 2), 'X-Isthmus-Proxy-Secret: guess', ...OURS.slice(2)],
      403,
    ],
    ['an outer scheme of http', ['X-Forwarded-Proto: http', ...OURS.slice(1)], 403],
    ['no outer scheme', OURS.slice(1), 403],
    [
      'https from the client, http from the proxy',
      ['X-Forwarded-Proto: https', 'X-Forwarded-Proto: http', ...OURS.slice(1)],
      403,
    ],
    ['https, http in one field', ['X-Forwarded-Proto: https, http', ...OURS.slice(1)], 403],
    ['Forwarded, which this proxy does not write', ['Forwarded: proto=https', ...OURS.slice(1)], 403],
  ])('[CT-32] %s', async (_, lines, wanted) => {
    const test = fronts.get('rfc9440')
    if (test === undefined) throw new Error('a front')
    const before = test.arrivals.length
    const { status, end } = await statusOf(test, [...lines, `${CC}: ${leaf}`])
    expect(status).toBe(wanted)
    expect(test.arrivals).toHaveLength(before)
    end()
  })

  it.each([
    'X-Forwarded-Proto',
    'X-Forwarded-For',
    'Client-Cert',
    'X-Isthmus-Proxy-Secret',
    'X-Forwarded-Client-Cert',
  ])('[CT-31] a Connection that names %s', async field => {
    const test = fronts.get('rfc9440')
    if (test === undefined) throw new Error('a front')
    const { status, end } = await statusOf(test, [...OURS, `${CC}: ${leaf}`], {
      headers: { Connection: `Upgrade, ${field}` },
    })
    expect(status).toBe(400)
    end()
  })

  it('[CT-32] nobody but the proxy is answered, except about health', async () => {
    const test = await running(listenFor('rfc9440', ['192.0.2.0/24']))
    const { status, end } = await statusOf(test, [...OURS, `${CC}: ${leaf}`])
    expect(status).toBe(403)
    end()
    const raw = await rawTcp(test.port)
    raw.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    expect((await raw.head())?.status).toBe(200)
    raw.destroy()
    expect(test.arrivals).toEqual([])
    expect(test.refusals()).toMatchObject([{ address: '127.0.0.1', status: 403 }])
  })
})

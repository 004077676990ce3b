import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Event } from '../../src/base/index.ts'
import { message } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { type EndingProxy, endingProxy } from '../kit/ending-proxy.ts'
import { type Town, twoFederations } from '../kit/federations.ts'
import { LOOPBACK, type TestFront, testFront } from '../kit/fronts.ts'
import { rawTcp, upgradeRequest } from '../kit/wire.ts'

// Federations whose TLS ends at a proxy in front of them (PROTOCOL C.4).

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const SECRET = 'between the proxy and us alone'
const JULIET = 'juliet@capulet.example/balcony'
const ROMEO = 'romeo@montague.example/orchard'

type Certificates = 'none' | 'rfc9440'

const BEHIND = {
  address: '127.0.0.1:0',
  tls: false,
  trustedProxies: ['127.0.0.0/8'],
  proxySecret: SECRET,
} as const

/** A proxy goes before a town: it says for whom it comes, and shows certificates of clients where it should. */
async function hide(town: Town, proxy: EndingProxy): Promise<void> {
  proxy.target = town.relay.target
  town.relay.target = proxy.port
}

async function verona(certificates: Certificates) {
  const authority = testAuthority()
  const listen = certificates === 'none' ? BEHIND : { ...BEHIND, forwardedCertificate: certificates }
  const both = await twoFederations({
    authority,
    capulet: { more: { listen: [listen] } },
    montague: { more: { listen: [listen] } },
  })
  closing.push(both.close)
  for (const [town, name] of [
    [both.capulet, 'capulet.example'],
    [both.montague, 'montague.example'],
  ] as const) {
    const proxy = await endingProxy(authority.issue({ dns: [name] }), client => {
      // Node shows the rest of the chain once.
      const leaf = certificates === 'none' ? undefined : client.getPeerX509Certificate()
      return [
        ['X-Forwarded-Proto', 'https'],
        ['X-Forwarded-For', '192.0.2.99'],
        ['X-Isthmus-Proxy-Secret', SECRET],
        ['Client-Cert', sequence(leaf?.raw)],
        ['Client-Cert-Chain', sequence(leaf?.issuerCertificate?.raw)],
      ]
    })
    closing.push(proxy.close)
    await hide(town, proxy)
  }
  await both.capulet.host.send(message({ from: JULIET, to: ROMEO, id: 'out' }))
  await both.montague.host.receives(({ id }) => id === 'out')
  await both.montague.host.send(message({ from: ROMEO, to: JULIET, id: 'back' }))
  await both.capulet.host.receives(({ id }) => id === 'back')
  return both
}

function sequence(der: Uint8Array | undefined): string {
  return der === undefined ? '' : `:${Buffer.from(der).toString('base64')}:`
}

function received({ events }: Town) {
  return events.filter(
    (event): event is Extract<Event, { type: 'stream:established' }> =>
      event.type === 'stream:established' && event.role === 'receiving',
  )
}

it('[CT-30] without forwarded certificates there is no EXTERNAL, and both are proven by dialback', async () => {
  const { capulet, montague } = await verona('none')
  for (const town of [capulet, montague]) {
    expect(received(town)).toMatchObject([{ authentication: 'dialback', tls: 'proxy' }])
    expect(
      town.events.flatMap(event =>
        event.type === 'stream:features' && event.role === 'receiving' ? event.features : [],
      ),
    ).not.toContain('mechanisms')
  }
})

it('[CT-31] forwarded over a hop that proves itself, a certificate proves its peer', async () => {
  const { montague } = await verona('rfc9440')
  expect(received(montague)).toMatchObject([
    { authentication: 'sasl-external', tls: 'proxy', proof: 'dns-id capulet.example, forwarded by a proxy' },
  ])
})

it('[CT-31] one that proves nothing by itself is refused, whatever hop it came over', async () => {
  // Montague trusts an authority of which Capulet has no certificate; dialback alone is left, which it has switched off.
  const authority = testAuthority()
  const other = testAuthority()
  const both = await twoFederations({
    authority,
    capulet: { more: { listen: [BEHIND] }, certificate: other.issue({ dns: ['capulet.example'] }) },
    montague: { more: { listen: [{ ...BEHIND, forwardedCertificate: 'rfc9440' }], dialback: 'off' } },
  })
  closing.push(both.close)
  const proxy = await endingProxy(authority.issue({ dns: ['montague.example'] }), client => [
    ['X-Forwarded-Proto', 'https'],
    ['X-Isthmus-Proxy-Secret', SECRET],
    ['Client-Cert', sequence(client.getPeerX509Certificate()?.raw)],
  ])
  closing.push(proxy.close)
  await hide(both.montague, proxy)
  await both.capulet.host.send(message({ from: JULIET, to: ROMEO, id: 'out' }))
  await both.capulet.host.receives(({ id, type }) => id === 'out' && type === 'error')
  expect(received(both.montague)).toEqual([])
  expect(both.montague.events).toContainEqual(
    expect.objectContaining({ type: 'identity', ok: false, reason: 'untrusted' }),
  )
})

it('[CT-32] the address that a proxy names is for the log and for limits', async () => {
  const { montague } = await verona('none')
  expect(received(montague)).toMatchObject([{ address: '192.0.2.99' }])
})

it('[CT-32] limits count the clients of a proxy, not the proxy', async () => {
  const test = await testFront({
    listen: [
      {
        ...LOOPBACK,
        proxy: {
          trusted: ['127.0.0.0/8'],
          fields: 'x-forwarded',
          hops: 2,
          tls: false,
          ca: null,
          secret: null,
          certificate: null,
        },
      },
    ],
    limits: { newBurstPerAddress: 2, newPerSecondPerAddress: 0.001, unauthenticatedPerAddress: 50 },
  })
  closing.push(() => test.front.close())
  const upgrade = async (chain: string) => {
    const raw = await rawTcp(test.port)
    raw.write(upgradeRequest({ lines: ['X-Forwarded-Proto: https, http', `X-Forwarded-For: ${chain}`] }))
    const head = await raw.head()
    closing.push(async () => raw.destroy())
    return head?.status
  }
  // Two hops are ours: who stands before them has written what he likes.
  const flooding = []
  for (const claimed of ['203.0.113.1', '203.0.113.2', '203.0.113.3'])
    flooding.push(await upgrade(`${claimed}, 192.0.2.1, 10.0.0.1`))
  expect(flooding).toEqual([101, 101, 429])
  expect(await upgrade('192.0.2.2, 10.0.0.1')).toBe(101)
  expect(test.refusals()).toMatchObject([{ status: 429, address: '192.0.2.1' }])
  // Nothing is known of who stands behind fewer hops than there are, or behind no address.
  for (const chain of ['192.0.2.1', 'unknown, 10.0.0.1']) expect(await upgrade(chain)).toBe(101)
  expect(test.arrivals.slice(-2).map(({ transport }) => transport.facts.remoteAddress)).toEqual([
    '127.0.0.1',
    '127.0.0.1',
  ])
})

it('[CT-32] where an address does not tell the proxy from others, connections that have not shown it go first', async () => {
  const test = await testFront({
    listen: [
      {
        ...LOOPBACK,
        proxy: {
          tls: false,
          trusted: ['0.0.0.0/0'],
          fields: 'x-forwarded',
          hops: 1,
          ca: null,
          secret: SECRET,
          certificate: null,
        },
      },
    ],
    limits: { unauthenticatedTotal: 1 },
  })
  closing.push(() => test.front.close())
  const ask = [
    'GET /.well-known/host-meta HTTP/1.1',
    'Host: montague.example',
    'X-Forwarded-Proto: https',
    `X-Isthmus-Proxy-Secret: ${SECRET}`,
    '\r\n',
  ].join('\r\n')
  const proxy = await rawTcp(test.port)
  proxy.write(ask)
  expect((await proxy.head())?.status).toBe(200)
  const [one, other] = [await rawTcp(test.port), await rawTcp(test.port)]
  await one.ended()
  proxy.write(ask)
  // Behind the body of the first answer.
  expect((await proxy.head())?.line).toMatch(/HTTP\/1\.1 200/)
  expect([proxy.isEnded, other.isEnded]).toEqual([false, false])
  for (const raw of [proxy, other]) raw.destroy()
})

describe('who is behind a proxy that writes Forwarded (RFC 7239)', () => {
  let fronts: readonly TestFront[]
  beforeAll(async () => {
    fronts = await Promise.all(
      [1, 2].map(hops =>
        testFront({
          listen: [
            {
              ...LOOPBACK,
              proxy: {
                tls: false,
                trusted: ['127.0.0.0/8'],
                fields: 'forwarded',
                hops,
                ca: null,
                secret: null,
                certificate: null,
              },
            },
          ],
        }),
      ),
    )
  })
  afterAll(() => Promise.all(fronts.map(({ front }) => front.close())))

  it.each<[title: string, hops: 1 | 2, lines: readonly string[], address: string | null]>([
    ['an address', 1, ['Forwarded: for=192.0.2.7;proto=https'], '192.0.2.7'],
    ['names in any case and order', 1, ['forwarded: Proto=HTTPS; FOR=192.0.2.7;by=10.0.0.1'], '192.0.2.7'],
    ['IPv6 with a port, quoted', 1, ['Forwarded: for="[2001:db8::7]:4711";proto=https'], '2001:db8::7'],
    ['IPv4 with a port, quoted', 1, ['Forwarded: for="192.0.2.7:4711";proto="https"'], '192.0.2.7'],
    ['an obscure name', 1, ['Forwarded: for="_gazonk";proto=https'], '127.0.0.1'],
    ['nobody', 1, ['Forwarded: for=unknown;proto=https'], '127.0.0.1'],
    ['no address', 1, ['Forwarded: proto=https'], '127.0.0.1'],
    ['no scheme', 1, ['Forwarded: for=192.0.2.7'], null],
    ['the other fields, which a client may have written', 1, ['X-Forwarded-Proto: https'], null],
    [
      'both, and the other one contradicts',
      1,
      ['X-Forwarded-Proto: http', 'X-Forwarded-For: 203.0.113.1', 'Forwarded: for=192.0.2.7;proto=https'],
      '192.0.2.7',
    ],
    [
      "a client's own before the proxy's, in one field",
      1,
      ['Forwarded: for=203.0.113.1;proto=http, for=192.0.2.7;proto=https'],
      '192.0.2.7',
    ],
    [
      "a client's own before the proxy's, in another field",
      1,
      ['Forwarded: for=203.0.113.1;proto=https', 'Forwarded: for=192.0.2.7;proto=http'],
      null,
    ],
    [
      'a quotation mark that a client has left open',
      1,
      ['Forwarded: for="203.0.113.1;proto=http, for=192.0.2.7;proto=https'],
      '192.0.2.7',
    ],
    [
      'two proxies of ours: the first one counts',
      2,
      ['Forwarded: for=203.0.113.1;proto=http, for=192.0.2.7;proto=https, for=10.0.0.1;proto=http'],
      '192.0.2.7',
    ],
    ['two of ours, and one has said something', 2, ['Forwarded: for=10.0.0.1;proto=https'], '127.0.0.1'],
  ])('[CT-32] %s', async (_, hops, lines, address) => {
    const test = fronts[hops - 1]
    if (test === undefined) throw new Error('a front for each')
    const before = test.arrivals.length
    const raw = await rawTcp(test.port)
    raw.write(upgradeRequest({ lines }))
    expect((await raw.head())?.status).toBe(address === null ? 403 : 101)
    raw.destroy()
    const came = test.arrivals.slice(before).map(({ transport }) => transport.facts.remoteAddress)
    expect(came).toEqual(address === null ? [] : [address])
  })
})

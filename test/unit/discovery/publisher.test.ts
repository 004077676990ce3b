import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import {
  createHostMetaPublisher,
  createResolver,
  type HostMetaPublisher,
  type PublishedDomain,
} from '../../../src/discovery/index.ts'
import { REL_BOSH } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { type TestDns, testDns } from '../../kit/dns.ts'
import { domain } from '../../kit/fronts.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const MONTAGUE = domain('montague.example')
const town = (more: Partial<PublishedDomain> = {}): PublishedDomain => ({
  name: MONTAGUE,
  also: [],
  url: 'wss://edge.montague.example/s2s',
  ips: [],
  ...more,
})

async function publisher(
  domains: readonly PublishedDomain[],
  zone: TestDns['zone'] = {},
): Promise<{ publisher: HostMetaPublisher; dns: TestDns; clock: VirtualClock }> {
  const dns = await testDns(zone)
  closing.push(() => dns.close())
  const resolver = createResolver({
    connect: { 'edge.montague.example:443': '127.0.0.1:9443' },
    allowPrivate: [],
    dnsServers: [dns.address],
    limits: { ...defaultLimits, dnsMs: 2_000 },
    clock: systemClock,
  })
  const clock = new VirtualClock()
  const made = createHostMetaPublisher({ domains, resolver, limits: defaultLimits, clock })
  closing.push(() => made.stop())
  return { publisher: made, dns, clock }
}

const ipsOf = (made: HostMetaPublisher, name = MONTAGUE): unknown =>
  JSON.parse(made.documents(name)?.jrd ?? '{}').links?.[0]?.ips

/** Until the document says so. */
async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 1_000; round++) {
    if (condition()) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error('never')
}

describe('what a domain publishes', () => {
  it('the links of its clients, for its further domains too', async () => {
    const links = [{ rel: REL_BOSH, href: 'https://montague.example/http-bind' }]
    const rooms = domain('rooms.montague.example')
    const { publisher: made } = await publisher([town({ also: [rooms], ips: ['192.0.2.1'], links })])
    for (const name of [MONTAGUE, rooms])
      expect(JSON.parse(made.documents(name)?.jrd ?? '{}').links.slice(1)).toEqual(links)
  })

  it('configured addresses, for an hour, with no look-up and no timer', async () => {
    const {
      publisher: made,
      dns,
      clock,
    } = await publisher([town({ ips: ['192.0.2.1'], also: [domain('rooms.montague.example')] })])
    await made.start()
    for (const name of [MONTAGUE, domain('rooms.montague.example')]) {
      const documents = made.documents(name)
      expect(JSON.parse(documents?.jrd ?? '')).toMatchObject({
        xmpp: { ttl: 3_600 },
        links: [{ ips: ['192.0.2.1'] }],
      })
      expect(documents?.maxAgeSeconds).toBe(3_600)
    }
    expect(dns.questions).toEqual([])
    expect(clock.pending()).toBe(0)
  })

  it('else those of the url’s host, looked up again before the ttl is over', async () => {
    const {
      publisher: made,
      dns,
      clock,
    } = await publisher([town()], {
      'edge.montague.example': ['8.8.8.8', '2a00::1', '10.0.0.1'],
    })
    // Before the first look-up there is a document, without promises.
    expect(ipsOf(made)).toBeUndefined()
    await made.start()
    expect(ipsOf(made)).toEqual(['2a00::1', '8.8.8.8'])
    const documents = made.documents(MONTAGUE)
    expect(JSON.parse(documents?.jrd ?? '').xmpp.ttl).toBe(300)
    expect(documents?.maxAgeSeconds).toBe(300)

    dns.zone = { 'edge.montague.example': ['9.9.9.9'] }
    clock.advance(149_000)
    expect(ipsOf(made)).toEqual(['2a00::1', '8.8.8.8'])
    clock.advance(1_000)
    await until(() => JSON.stringify(ipsOf(made)) === '["9.9.9.9"]')

    // Who does not answer does not unsay what he said.
    const asked = dns.questions.length
    dns.zone = { 'edge.montague.example': 'servfail' }
    await until(() => clock.pending() === 1)
    clock.advance(150_000)
    await until(() => dns.questions.length > asked && clock.pending() === 1)
    expect(ipsOf(made)).toEqual(['9.9.9.9'])

    // No such name: no xmpp object, and peers are left to their DNS.
    dns.zone = {}
    clock.advance(150_000)
    await until(() => ipsOf(made) === undefined)
    expect(JSON.parse(made.documents(MONTAGUE)?.jrd ?? '')).toEqual({
      links: [
        {
          rel: 'urn:xmpp:alt-connections:s2s-websocket',
          href: 'wss://edge.montague.example/s2s',
          priority: 10,
          weight: 50,
          sni: 'edge.montague.example',
        },
      ],
    })
    await until(() => clock.pending() === 1)
    made.stop()
    expect(clock.pending()).toBe(0)
    expect(made.documents(MONTAGUE)).not.toBeNull()
  })

  it('an address in the url is its own address, and the SNI is the domain', async () => {
    const { publisher: made, dns } = await publisher([town({ url: 'wss://[2a00::1]:8443/s2s' })])
    await made.start()
    expect(JSON.parse(made.documents(MONTAGUE)?.jrd ?? '')).toMatchObject({
      xmpp: { ttl: 3_600 },
      links: [{ href: 'wss://[2a00::1]:8443/s2s', ips: ['2a00::1'], sni: 'montague.example' }],
    })
    expect(dns.questions).toEqual([])
  })

  it('nothing where there is no url, and nothing of strangers', async () => {
    const { publisher: made } = await publisher([town({ url: null })])
    await made.start()
    expect(made.documents(MONTAGUE)).toBeNull()
    expect(made.documents(domain('verona.example'))).toBeNull()
  })

  it('stopped while it looks up, it starts no timer', async () => {
    const { publisher: made, clock } = await publisher([town()], { 'edge.montague.example': 'silence' })
    const starting = made.start()
    made.stop()
    await starting
    expect(clock.pending()).toBe(0)
  })
})

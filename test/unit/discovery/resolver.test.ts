import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import { createResolver, type ResolverOptions } from '../../../src/discovery/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { type TestDns, testDns } from '../../kit/dns.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function dns(...zone: Parameters<typeof testDns>): Promise<TestDns> {
  const server = await testDns(...zone)
  closing.push(() => server.close())
  return server
}

function resolver(server: TestDns, more: Partial<ResolverOptions> = {}) {
  const made = createResolver({
    connect: {},
    allowPrivate: [],
    dnsServers: [server.address],
    limits: { ...defaultLimits, dnsMs: 500 },
    clock: systemClock,
    ...more,
  })
  return {
    made,
    addressesOf: made.addressesOf,
    async resolve(host: string, port = 443, addresses: readonly string[] | null = null) {
      const resolved = await made.resolve(host, port, addresses, new AbortController().signal)
      return resolved.ok
        ? resolved.endpoints.map(({ address, port }) => `${address} ${port}`)
        : resolved.failure
    },
  }
}

describe('the resolver', () => {
  it('sends the socket where `connect` says, whatever the name is written like, and asks nobody', async () => {
    const server = await dns()
    const { resolve } = resolver(server, {
      connect: {
        'montague.example:443': '127.0.0.1:9443',
        'MÜNCHEN.example:443': '[::1]:9444',
        '[2001:DB8::1]:443': '10.0.0.1:22',
        'localhost:8443': '127.0.0.1:1',
      },
    })
    for (const host of ['montague.example', 'MONTAGUE.example', 'montague.example.'])
      expect(await resolve(host)).toEqual(['127.0.0.1 9443'])
    // The addresses that a peer lists too.
    expect(await resolve('montague.example', 443, ['8.8.8.8'])).toEqual(['127.0.0.1 9443'])
    expect(await resolve('xn--mnchen-3ya.example')).toEqual(['::1 9444'])
    expect(await resolve('2001:db8:0::1')).toEqual(['10.0.0.1 22'])
    expect(await resolve('localhost', 8443)).toEqual(['127.0.0.1 1'])
    expect(server.questions).toEqual([])
    // Another port is another place.
    expect(await resolve('montague.example', 8443)).toMatchObject({ kind: 'dns' })
    expect(await resolve('www.montague.example')).toMatchObject({ kind: 'dns' })
  })

  it('gives both families in turn, IPv6 first, and as many as are allowed', async () => {
    const server = await dns({
      'both.example': ['8.8.8.1', '8.8.8.2', '8.8.8.3', '2a00::1', '2a00::2'],
    })
    expect(await resolver(server).resolve('both.example', 8443)).toEqual(
      ['2a00::1', '8.8.8.1', '2a00::2', '8.8.8.2', '8.8.8.3'].map(address => `${address} 8443`),
    )
    const few = resolver(server, { limits: { ...defaultLimits, addressesPerName: 3 } })
    expect(await few.resolve('both.example')).toEqual(['2a00::1 443', '8.8.8.1 443', '2a00::2 443'])
  })

  it('asks for absolute names, and reads no hosts file', async () => {
    const server = await dns({ 'localhost.example': ['8.8.8.8'] })
    const { resolve } = resolver(server, {
      // A configured endpoint may have any name.
      endpoints: [{ url: 'wss://localhost/s2s' }, { url: 'wss://gateway:9443/s2s' }],
    })
    expect(await resolve('localhost')).toMatchObject({ kind: 'dns' })
    expect(await resolve('gateway')).toMatchObject({ kind: 'dns' })
    expect(new Set(server.questions)).toEqual(
      new Set(['AAAA localhost', 'A localhost', 'AAAA gateway', 'A gateway']),
    )
  })

  it('takes a private address where it is opened', async () => {
    const server = await dns({ 'inside.example': ['10.0.0.1'], 'gateway.internal': ['10.0.0.2'] })
    const closed = resolver(server)
    expect(await closed.resolve('inside.example')).toMatchObject({ by: 'network', kind: 'forbidden-address' })
    expect(await closed.resolve('10.0.0.1')).toMatchObject({ by: 'network', kind: 'forbidden-address' })
    const opened = resolver(server, { allowPrivate: ['10.0.0.0/8'] })
    expect(await opened.resolve('inside.example')).toEqual(['10.0.0.1 443'])
    expect(await opened.resolve('10.0.0.1', 9443)).toEqual(['10.0.0.1 9443'])
    // That a network is open opens no names that peers may give.
    expect(await opened.resolve('gateway.internal')).toMatchObject({ kind: 'forbidden-address' })
    const configured = resolver(server, {
      allowPrivate: ['10.0.0.0/8'],
      endpoints: [{ url: 'wss://gateway.internal/s2s' }],
    })
    expect(await configured.resolve('gateway.internal')).toEqual(['10.0.0.2 443'])
  })

  it('says what DNS said', async () => {
    const server = await dns({
      'broken.example': 'servfail',
      'silent.example': 'silence',
      'empty.example': [],
    })
    const { resolve } = resolver(server)
    expect(await resolve('nobody.example')).toEqual({
      by: 'network',
      kind: 'dns',
      detail: 'nobody.example has no address',
    })
    expect(await resolve('empty.example')).toMatchObject({
      kind: 'dns',
      detail: 'empty.example has no address',
    })
    expect(await resolve('broken.example')).toMatchObject({
      kind: 'dns',
      detail: expect.stringContaining('ESERVFAIL'),
    })
    expect(await resolve('silent.example')).toMatchObject({ kind: 'timeout' })
    expect(await resolve('not_a_host.example')).toMatchObject({ kind: 'dns' })
  })

  it('asks again where a datagram is lost', async () => {
    const server = await dns({ 'lossy.example': 'silence' })
    const asked = resolver(server, { limits: { ...defaultLimits, dnsMs: 6_000 } }).resolve('lossy.example')
    while (server.questions.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    server.zone = { 'lossy.example': ['8.8.8.8'] }
    expect(await asked).toEqual(['8.8.8.8 443'])
  })

  it('waits for the other family only a moment', async () => {
    const server = await dns({ 'half.example': ['8.8.8.8', '2a00::1'] })
    server.silent = new Set(['A'])
    const limits = { ...defaultLimits, dnsMs: 60_000, dnsFamilyMs: 10 }
    expect(await resolver(server, { limits }).resolve('half.example')).toEqual(['2a00::1 443'])
  })

  it('leaves no timer and no query behind', async () => {
    const server = await dns({ 'half.example': ['8.8.8.8'], 'silent.example': 'silence' })
    const clock = new VirtualClock()
    expect(await resolver(server, { clock }).resolve('half.example')).toEqual(['8.8.8.8 443'])
    expect(clock.pending()).toBe(0)

    const giveUp = new AbortController()
    const limits = { ...defaultLimits, dnsMs: 300 }
    const asked = resolver(server, { clock, limits }).made.resolve('silent.example', 443, null, giveUp.signal)
    while (server.questions.length < 4) await new Promise(resolve => setTimeout(resolve, 1))
    giveUp.abort()
    await asked
    expect(clock.pending()).toBe(0)
    // The second try would come now.
    await new Promise(resolve => setTimeout(resolve, 250))
    expect(server.questions).toHaveLength(4)
  })

  it('lets go of a caller that gives up', async () => {
    const server = await dns({ 'silent.example': 'silence' })
    const { resolve } = createResolver({
      connect: {},
      allowPrivate: [],
      dnsServers: [server.address],
      limits: { ...defaultLimits, dnsMs: 60_000 },
      clock: systemClock,
    })
    const giveUp = new AbortController()
    const asked = resolve('silent.example', 443, null, giveUp.signal)
    giveUp.abort()
    expect(await asked).toMatchObject({ ok: false, failure: { by: 'us', kind: 'aborted' } })
    expect(await resolve('silent.example', 443, null, AbortSignal.abort())).toMatchObject({ ok: false })
  })

  it('as an address book it knows no `connect`, and what is private is absent', async () => {
    const server = await dns({
      'montague.example': ['8.8.8.8', '10.0.0.1'],
      'inside.example': ['10.0.0.1'],
      'broken.example': 'servfail',
    })
    const { addressesOf } = resolver(server, { connect: { 'montague.example:443': '127.0.0.1:9443' } })
    const { signal } = new AbortController()
    expect(await addressesOf('montague.example', signal)).toEqual({ ok: true, addresses: ['8.8.8.8'] })
    expect(await addressesOf('8.8.8.8', signal)).toEqual({ ok: true, addresses: ['8.8.8.8'] })
    expect(await addressesOf('inside.example', signal)).toMatchObject({ ok: false, absent: true })
    expect(await addressesOf('nobody.example', signal)).toMatchObject({ ok: false, absent: true })
    expect(await addressesOf('broken.example', signal)).toMatchObject({ ok: false, absent: false })
  })
})

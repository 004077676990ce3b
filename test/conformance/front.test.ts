import { afterEach, expect, it } from 'vitest'
import { frontDomain, type TestFront, testFront } from '../kit/fronts.ts'
import { type Head, type RawPeer, rawTls, upgradeRequest } from '../kit/wire.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function running(...options: Parameters<typeof testFront>): Promise<TestFront> {
  const test = await testFront(...options)
  closing.push(() => test.front.close())
  return test
}

async function ask(
  port: number,
  target: string,
  { method = 'GET', host = 'montague.example' } = {},
): Promise<{ head: Head; body: string }> {
  const peer = await rawTls(port)
  peer.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  const head = await peer.head()
  if (head === null) throw new Error('no answer')
  return { head, body: (await peer.rest()).toString() }
}

it('[DS-30] serves XRD and JRD of each domain under their types, by HTTPS only', async () => {
  const test = await running({
    domains: [
      frontDomain('montague.example', { also: [] }),
      frontDomain('capulet.example', { url: 'wss://edge.capulet.example:8443/s2s' }),
      frontDomain('silent.example', { url: null }),
    ],
    documents: domain =>
      domain === 'silent.example'
        ? null
        : { jrd: `{"of":"${domain}"}`, xrd: `<XRD>${domain}</XRD>`, maxAgeSeconds: 3_600 },
  })
  for (const [host, domain] of [
    ['montague.example', 'montague.example'],
    ['MONTAGUE.example.:8443', 'montague.example'],
    ['capulet.example', 'capulet.example'],
  ] as const) {
    const xrd = await ask(test.port, '/.well-known/host-meta', { host })
    expect(xrd.head.status).toBe(200)
    expect(xrd.head.headers['content-type']).toBe('application/xrd+xml')
    expect(xrd.body).toBe(`<XRD>${domain}</XRD>`)
    const jrd = await ask(test.port, '/.well-known/host-meta.json', { host })
    expect(jrd.head.headers['content-type']).toBe('application/json')
    expect(jrd.body).toBe(`{"of":"${domain}"}`)
    expect(jrd.head.headers['cache-control']).toBe('public, max-age=3600')
    const head = await ask(test.port, '/.well-known/host-meta.json', { host, method: 'HEAD' })
    expect(head.head.headers['content-length']).toBe(String(jrd.body.length))
    expect(head.body).toBe('')
  }
  // The URL's host is no domain; a domain may publish nothing; nobody else's domain is ours.
  for (const host of [
    'edge.capulet.example:8443',
    'silent.example',
    'verona.example',
    '127.0.0.1',
    '',
    '[::1]',
    '::',
  ]) {
    expect((await ask(test.port, '/.well-known/host-meta', { host })).head.status, host).toBe(404)
  }
})

it('[DS-31] allows any origin to read these two files, and nothing else', async () => {
  const test = await running()
  for (const target of ['/.well-known/host-meta', '/.well-known/host-meta.json']) {
    const { head } = await ask(test.port, target)
    expect(head.headers['access-control-allow-origin']).toBe('*')
  }
  for (const [target, method, host] of [
    ['/healthz', 'GET', 'montague.example'],
    ['/', 'GET', 'montague.example'],
    ['/s2s', 'GET', 'montague.example'],
    ['/.well-known/host-meta', 'POST', 'montague.example'],
    ['/.well-known/host-meta', 'GET', 'verona.example'],
    ['/.well-known/host-meta/', 'GET', 'montague.example'],
  ] as const) {
    const { head } = await ask(test.port, target, { method, host })
    expect(head.headers, `${method} ${target}`).not.toHaveProperty('access-control-allow-origin')
  }
})

it('[SZ-25] the unauthenticated connection above an address’s limit is refused before the upgrade: 429', async () => {
  const test = await running({ limits: { unauthenticatedPerAddress: 2 } })
  const peers: RawPeer[] = []
  const open = async () => {
    const peer = await rawTls(test.port)
    peers.push(peer)
    peer.write(upgradeRequest())
    return peer.head()
  }
  expect((await open())?.status).toBe(101)
  expect((await open())?.status).toBe(101)
  const refused = await open()
  expect(refused?.status).toBe(429)
  expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0)
  await peers[2]?.ended()
  expect(test.refusals()).toMatchObject([{ reason: 'http', status: 429, address: '127.0.0.1' }])

  // Who has proven itself no longer counts.
  test.arrivals[0]?.authenticated()
  expect((await open())?.status).toBe(101)
  expect((await open())?.status).toBe(429)
  // Who is gone no longer counts.
  peers[1]?.destroy()
  await test.recorders[1]?.ended()
  expect((await open())?.status).toBe(101)
  expect(test.arrivals).toHaveLength(4)
})

it('[SZ-25] new connections above an address’s rate are refused', async () => {
  let nowMs = 0
  const clock = { ...(await import('../../src/base/system.ts')).systemClock, monotonicMs: () => nowMs }
  const test = await running({ clock, limits: { newBurstPerAddress: 3, newPerSecondPerAddress: 2 } })
  const works = async () => {
    try {
      const { head } = await ask(test.port, '/healthz')
      return head.status === 200
    } catch {
      return false
    }
  }
  expect([await works(), await works(), await works(), await works()]).toEqual([true, true, true, false])
  nowMs += 1_000
  expect([await works(), await works(), await works()]).toEqual([true, true, false])
  expect(test.refusals()).toMatchObject([{ reason: 'limit' }, { reason: 'limit' }])
})

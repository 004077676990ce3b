import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import type { HostContext } from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import { type XmppServerHost, xmppServer } from '../../../src/hosts/index.ts'
import type { Stanza } from '../../../src/xmpp/index.ts'
import { CAPULET, HALL, incoming, MONTAGUE, outgoing, until, VERONA } from '../../kit/beside-server.ts'
import { LocalServer } from '../../kit/local-server.ts'
import { ScriptedNetwork } from '../../kit/scripted-network.ts'

// A server that is restarted under load, with the router that keeps queues, order and account of its legs.

const PAIRS = [
  [MONTAGUE, CAPULET],
  [VERONA, CAPULET],
  [VERONA, HALL],
] as const

let server: LocalServer
let host: XmppServerHost
afterEach(async () => {
  await host.stop(1_000)
  await server.stop()
})

async function start() {
  server = await LocalServer.start({ domains: [CAPULET, HALL] })
  host = xmppServer({
    address: server.address,
    listen: [{ address: '127.0.0.1', port: 0 }],
    security: { kind: 'plaintext' },
  })
  const network = new ScriptedNetwork()
  const shared = { observer: new Observer(), limits: defaultLimits, clock: systemClock, random: systemRandom }
  const hosts = new Map([CAPULET, HALL].map(domain => [domain, host]))
  const router = new Router({ ...shared, hosts, connect: network.connect, schedule: setImmediate })
  const context: HostContext = {
    ...shared,
    domains: new Set([CAPULET, HALL]),
    isLocal: domain => hosts.has(domain),
    peerIsUp: pair => router.peerIsUp(pair),
    send: stanza => router.send(stanza),
  }
  await host.start(context)
  server.host = host.listening[0] ?? null
  return { router, network }
}

/** Stanzas of every pair, numbered, as fast as they are taken, until it is told to stop. @returns how many of each */
function load(router: Router) {
  const counts = PAIRS.map(() => 0)
  let stopped = false
  const feed = async (at: number) => {
    const [from, to] = PAIRS[at] ?? PAIRS[0]
    while (!stopped) {
      const number = (counts[at] ?? 0) + 1
      counts[at] = number
      await router.receive(incoming(number, `romeo@${from}`, `juliet@${to}`))
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }
  const fed = Promise.all(PAIRS.map((_, at) => feed(at)))
  return {
    async stop() {
      stopped = true
      await fed
      return counts
    },
  }
}

const of = (stanzas: readonly Stanza[], from: string, to: string) =>
  stanzas.filter(stanza => stanza.from.domain === from && stanza.to.domain === to).map(({ id }) => Number(id))

describe.each(['in order', 'killed'] as const)('a server that is stopped %s, and comes back', how => {
  it('has all pairs again; order is kept, nothing comes twice, and the account closes', async () => {
    const { router, network } = await start()
    const { port } = server.address
    const loading = load(router)
    await until(() => server.stanzas.length > 100)
    const first = server
    await server.stop(how)
    // What comes meanwhile waits.
    await new Promise(resolve => setTimeout(resolve, 50))
    server = await LocalServer.start({ domains: [CAPULET, HALL], port })
    server.host = first.host
    await until(() => PAIRS.every(([from, to]) => of(server.stanzas, from, to).length > 20))
    const counts = await loading.stop()
    const read = () => [...first.stanzas, ...server.stanzas]
    const settle = () => {
      for (const { 0: from, 1: to } of PAIRS) router.legs.find(from, to)?.settle()
      return router.account()
    }
    await until(() => settle().held === 0 || network.dials.length > 0)
    for (const dial of network.dials) dial.succeed()
    await until(() => router.legs.held() === 0)
    const { accepted, delivered, bounced, dropped, inDoubt } = settle()
    expect(delivered + bounced + dropped + inDoubt + router.account().held).toBe(accepted)
    expect([bounced, dropped]).toEqual([0, 0])
    for (const [at, [from, to]] of PAIRS.entries()) {
      const numbers = of(read(), from, to)
      expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
      expect(numbers.at(-1)).toBe(counts[at])
    }
    const sent = counts.reduce((sum, count) => sum + count, 0)
    const missing = sent - read().length
    expect(missing).toBeLessThanOrEqual(inDoubt)
    // What crossed its close it may have read or not; this one has.
    if (how === 'in order') expect(missing).toBe(0)
    // It sends again, too.
    const back = await server.outgoing(CAPULET, MONTAGUE)
    back.send(outgoing('back'))
    await until(() => network.dials.some(({ pair }) => pair.remote === MONTAGUE))
  })
})

describe('a server that is not there yet', () => {
  it('gets what was for it, once it comes; that it comes to us is enough to dial it', async () => {
    const { router } = await start()
    const { port } = server.address
    const { host: listening } = server
    await server.stop()
    for (let number = 1; number <= 100; number++)
      router.receive(incoming(number, `romeo@${MONTAGUE}`, `juliet@${CAPULET}`))
    await new Promise(resolve => setTimeout(resolve, 20))
    server = await LocalServer.start({ domains: [CAPULET, HALL], port })
    server.host = listening
    await server.outgoing(CAPULET, MONTAGUE)
    await until(() => server.stanzas.length === 100)
    expect(of(server.stanzas, MONTAGUE, CAPULET)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
  })
})

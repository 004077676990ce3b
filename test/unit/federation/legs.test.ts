import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Limits, Observer } from '../../../src/base/index.ts'
import type { Delivery, Host, StreamHost } from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import { type Domain, type Failure, message, type Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import {
  CAPULET,
  CUT,
  domain,
  LONGEST,
  MONTAGUE,
  numbered,
  numbers,
  REFUSED,
  ScriptedNetwork,
  type ScriptedSession,
} from '../../kit/scripted-network.ts'

// capulet.example and hall.capulet.example have a server of their own, rooms.capulet.example is in this process.

const HALL = domain('hall.capulet.example')
const ROOMS = domain('rooms.capulet.example')
const UNKNOWN: Failure = { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: 'not here' }

/** dials to the server */
let server: ScriptedNetwork
/** dials to other domains */
let network: ScriptedNetwork
let clock: VirtualClock
let router: Router
let delivered: Stanza[]
let answer: (stanza: Stanza) => Delivery | Promise<Delivery>

beforeEach(() => start())

function start(limits: Partial<Limits> = {}): void {
  server = new ScriptedNetwork()
  network = new ScriptedNetwork()
  clock = new VirtualClock()
  delivered = []
  answer = () => ({ taken: true })
  const streams: StreamHost = {
    name: 'server',
    start() {},
    connect: server.connect,
    endInbound: async () => {},
    stop: async () => {},
  }
  const rooms: Host = {
    name: 'embedded',
    start() {},
    deliver(stanza) {
      delivered.push(stanza)
      return answer(stanza)
    },
    stop: async () => {},
  }
  router = new Router({
    hosts: new Map<Domain, Host | StreamHost>([
      [CAPULET, streams],
      [HALL, streams],
      [ROOMS, rooms],
    ]),
    connect: network.connect,
    observer: new Observer(),
    limits: { ...defaultLimits, ...limits },
    clock,
    random: LONGEST,
    schedule: setImmediate,
  })
}

type Numbered = Parameters<typeof numbered>[1]

/** from the peer to the server */
const incoming = (number: number, options: Numbered = {}) =>
  numbered(number, { from: MONTAGUE, to: CAPULET, ...options })

const chat = (number: number, from: Domain, to: Domain) =>
  message({ from, to, id: String(number), type: 'chat', body: 'x' })

function dialOf(pair: string) {
  const found = server.dials.findLast(({ pair: { local, remote } }) => `${local} ${remote}` === pair)
  if (found === undefined) throw new Error(`nobody has dialled for ${pair}`)
  return found
}

const textOf = (stanza: Stanza | undefined) => JSON.stringify(stanza?.element())

async function flush(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('a stanza to a domain whose host is reached by streams', () => {
  it('goes by the stream of its pair, and is counted in once and out once it is confirmed', () => {
    expect(router.receive(incoming(1))).toBeUndefined()
    expect(server.last.pair).toEqual({ local: MONTAGUE, remote: CAPULET })
    expect(router.account()).toMatchObject({ accepted: 1, held: 1 })
    const session = server.last.succeed()
    router.receive(incoming(2))
    expect(numbers(session.sent)).toEqual([1, 2])
    expect(router.account()).toMatchObject({ accepted: 2, delivered: 0, held: 2 })
    session.confirm(2)
    expect(router.account()).toMatchObject({ accepted: 2, delivered: 2, held: 0 })
    expect(network.dials).toEqual([])
  })

  it('goes the same way from a host in this process, and from the server itself', () => {
    router.send(numbered(1, { from: ROOMS, to: CAPULET }))
    router.send(numbered(2, { from: HALL, to: CAPULET }))
    expect(server.dials.map(({ pair }) => pair)).toEqual([
      { local: ROOMS, remote: CAPULET },
      { local: HALL, remote: CAPULET },
    ])
    for (const dial of server.dials) dial.succeed().close()
    expect(router.account()).toMatchObject({ accepted: 2, delivered: 2, held: 0 })
  })

  it('is in doubt where the stream dies, and its sender is told: the peer by its stream, a host at once', async () => {
    router.receive(chat(1, MONTAGUE, CAPULET))
    router.send(chat(2, ROOMS, CAPULET))
    for (const dial of server.dials) dial.succeed().die(CUT)
    expect(router.account()).toMatchObject({ accepted: 3, inDoubt: 2, held: 1 })
    expect(textOf(network.last.succeed().sent[0])).toContain(
      "capulet.example's server: the stream ended before",
    )
    await router.settled()
    expect(delivered).toMatchObject([{ id: '2', type: 'error' }])
  })

  it('is returned where the server takes nothing of its size', () => {
    start({ stanzaBytes: 20_000 })
    router.receive(incoming(1, { bytes: 20_001, type: 'error' }))
    expect(router.account()).toMatchObject({ accepted: 1, dropped: 1 })
    router.receive(incoming(2, { bytes: 10_001, type: 'error' }))
    server.last.succeed({ maxBytes: 10_000 })
    expect(router.account()).toMatchObject({ accepted: 2, dropped: 2, held: 0 })
  })
})

describe('a server that is away', () => {
  it('is waited for: what came meanwhile is written once, in order, within a second of its return', () => {
    router.receive(incoming(1))
    const first = server.last.succeed()
    first.confirm(1)
    clock.advance(defaultLimits.goodLifeMs)
    first.close()
    for (let number = 2; number <= 4; number++) router.receive(incoming(number))
    for (let passedMs = 0; passedMs < 10_000; passedMs += 100) {
      if (server.last.open) server.last.fail(REFUSED)
      clock.advance(100)
    }
    router.receive(incoming(5))
    clock.advance(defaultLimits.legRetryMaxMs)
    const second = server.last.succeed()
    expect(numbers(second.sent)).toEqual([2, 3, 4, 5])
    second.close()
    expect(router.account()).toMatchObject({ accepted: 5, delivered: 5, held: 0 })
    expect(network.dials).toEqual([])
  })

  it('is down after a while: senders hear why, and later ones with the next dial', () => {
    router.receive(chat(1, MONTAGUE, CAPULET))
    const { legAbsentMs, legRetryMaxMs } = defaultLimits
    for (let passedMs = 0; passedMs <= legAbsentMs + legRetryMaxMs; passedMs += 100) {
      if (passedMs === legAbsentMs) expect(network.dials).toEqual([])
      if (server.last.open) server.last.fail(REFUSED)
      clock.advance(100)
    }
    const peer = network.last.succeed()
    expect(textOf(peer.sent[0])).toContain("capulet.example's server: connection refused")
    expect(textOf(peer.sent[0])).toContain('remote-server-timeout')
    clock.advance(3_600_000)
    router.receive(chat(2, MONTAGUE, CAPULET))
    server.last.fail(REFUSED)
    expect(numbers(peer.sent)).toEqual([1, 2])
  })

  it.each<[string, () => void]>([
    [
      'took a stream',
      () => {
        server.last.succeed().die(CUT)
        router.receive(incoming(2))
        clock.advance(defaultLimits.legRetryMaxMs)
      },
    ],
    ['came to us', () => router.peerIsUp({ local: MONTAGUE, remote: CAPULET })],
  ])('is waited for again once it %s', (_, comesBack) => {
    router.receive(incoming(1))
    server.last.fail(REFUSED)
    clock.advance(defaultLimits.legAbsentMs)
    comesBack()
    const { held } = router.account()
    expect(held).toBeGreaterThan(0)
    expect(server.last.open).toBe(true)
    server.last.fail(REFUSED)
    expect(router.account()).toMatchObject({ bounced: 0, held })
  })

  it('is dialled at once when it comes to us', () => {
    router.receive(incoming(1))
    server.last.fail(REFUSED)
    expect(server.dials).toHaveLength(1)
    router.peerIsUp({ local: MONTAGUE, remote: CAPULET })
    expect(server.dials).toHaveLength(2)
    router.peerIsUp({ local: MONTAGUE, remote: HALL })
    expect(server.dials).toHaveLength(2)
  })
})

it('what a server refuses is told at once, and tried again soon: it may be being configured', () => {
  router.receive(chat(1, MONTAGUE, CAPULET))
  server.last.fail(UNKNOWN)
  const peer = network.last.succeed()
  expect(textOf(peer.sent[0])).toContain('remote-server-not-found')
  expect(textOf(peer.sent[0])).toContain(
    "capulet.example's server: the peer ended the stream with host-unknown",
  )
  router.receive(chat(2, MONTAGUE, CAPULET))
  clock.advance(defaultLimits.legRetryMinMs)
  expect(numbers(server.last.succeed().sent)).toEqual([2])
})

describe('errors for a server', () => {
  it('are written and counted like any other stanza', () => {
    router.send(chat(1, CAPULET, MONTAGUE))
    network.last.fail(REFUSED)
    const session = dialOf('montague.example capulet.example').succeed()
    expect(textOf(session.sent[0])).toContain('montague.example: connection refused')
    expect(router.account()).toMatchObject({ accepted: 2, bounced: 1, held: 1 })
    session.close()
    expect(router.account()).toMatchObject({ accepted: 2, bounced: 1, delivered: 1, held: 0 })
  })

  it('are never refused where stanzas leave a queue for them; a server that does not take them waits', async () => {
    router.receive(incoming(1))
    const session = dialOf('montague.example capulet.example').succeed({ room: 1 })
    const count = defaultLimits.queueStanzas
    for (let number = 0; number < count; number++) router.send(chat(number, CAPULET, MONTAGUE))
    expect(router.send(chat(count, CAPULET, ROOMS))).toBeUndefined()
    for (let number = 0; number < 5; number++) router.receive(incoming(number, { type: 'error' }))
    network.last.fail(REFUSED)
    expect(router.account()).toMatchObject({ bounced: count })
    const slowed = router.send(chat(count + 1, CAPULET, MONTAGUE))
    expect(slowed).toBeInstanceOf(Promise)
    session.drain()
    await slowed
    expect(session.sent.filter(({ type }) => type === 'error')).toHaveLength(5 + count)
  })
})

describe('a server that reads slowly', () => {
  it('slows the peer, and lets it go on when there is room', async () => {
    router.receive(incoming(1))
    const session = server.last.succeed({ room: 2 })
    expect(router.receive(incoming(2))).toBeInstanceOf(Promise)
    const room = router.receive(incoming(3))
    expect(numbers(session.sent)).toEqual([1, 2])
    session.drain()
    await room
    expect(numbers(session.sent)).toEqual([1, 2, 3])
    expect(router.receive(incoming(4))).toBeUndefined()
  })

  it('does not slow the peer towards another domain', () => {
    router.receive(incoming(1))
    server.last.succeed({ room: 1 })
    expect(router.receive(incoming(2))).toBeInstanceOf(Promise)
    expect(router.receive(incoming(3, { to: HALL }))).toBeUndefined()
  })
})

describe('who answers does not wait for one who waits for that answer', () => {
  /** Reads nothing as long as it has something to write. */
  async function writesFirst(
    count: number,
    write: (number: number) => Promise<void> | undefined,
    reads: ScriptedSession,
  ): Promise<void> {
    for (let number = 2; number <= count; number++) await write(number)
    reads.drain()
  }

  function both(ofServer: number, ofPeer: number, room = 1) {
    router.receive(incoming(1))
    router.send(numbered(1))
    const leg = dialOf('montague.example capulet.example').succeed({ room: 1 })
    const out = network.last.succeed({ room })
    const done = Promise.all([
      writesFirst(ofPeer, number => router.receive(incoming(number)), out),
      writesFirst(ofServer, number => router.send(numbered(number)), leg),
    ])
    return { leg, out, done }
  }

  it.each([
    ['at once', 700, 700, 1],
    ['and the peer has waited before the server has to', 1_200, 300, 100],
  ])('a server and a peer that read nothing while they write: %s', async (_, ofServer, ofPeer, room) => {
    const { leg, out, done } = both(ofServer, ofPeer, room)
    await done
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
    expect(numbers(leg.sent)).toEqual(upTo(ofPeer))
    expect(numbers(out.sent)).toEqual(upTo(ofServer))
    expect(router.account()).toMatchObject({ accepted: ofServer + ofPeer, bounced: 0, dropped: 0 })
  })

  it('but not beyond what the queues hold: nothing is refused, and both wait', async () => {
    const { leg, out } = both(5_000, 5_000)
    await flush()
    const { accepted } = router.account()
    expect(accepted).toBeGreaterThan(defaultLimits.queueStanzas)
    expect(accepted).toBeLessThan(2 * defaultLimits.queueStanzas)
    await flush()
    expect(router.account()).toMatchObject({ accepted, held: accepted, bounced: 0, dropped: 0 })
    leg.drain()
    out.drain()
  })

  it('a server and a host in this process', async () => {
    const count = 800
    answer = async stanza => {
      if (stanza.type === 'error') return { taken: true }
      await router.send(chat(Number(stanza.id), ROOMS, CAPULET))
      return { taken: true }
    }
    const write = (number: number) => router.send(chat(number, CAPULET, ROOMS))
    write(1)
    await router.settled()
    const leg = dialOf('rooms.capulet.example capulet.example').succeed({ room: 1 })
    await writesFirst(count, write, leg)
    await router.settled()
    expect(leg.sent).toHaveLength(count)
  })
})

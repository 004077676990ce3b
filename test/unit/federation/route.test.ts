import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Event, type Limits, Observer } from '../../../src/base/index.ts'
import { Account } from '../../../src/federation/account.ts'
import { type RoutePolicy, TO_PEERS } from '../../../src/federation/policy.ts'
import { Route } from '../../../src/federation/route.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import {
  CUT,
  LONGEST,
  numbered,
  numbers,
  PAIR,
  REFUSED,
  RecordedReturns,
  ScriptedNetwork,
} from '../../kit/scripted-network.ts'

const NOWHERE: Failure = { by: 'peer', kind: 'no-endpoint', detail: 'no host-meta at montague.example' }
const UNKNOWN: Failure = { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' }

let network: ScriptedNetwork
let clock: VirtualClock
let returns: RecordedReturns
let account: Account
let events: Event[]
let forgotten: number

beforeEach(() => {
  network = new ScriptedNetwork()
  clock = new VirtualClock()
  returns = new RecordedReturns()
  account = new Account()
  events = []
  forgotten = 0
})

function route(limits: Partial<Limits> = {}, policy: RoutePolicy = TO_PEERS): Route {
  const observer = new Observer()
  observer.subscribe(event => events.push(event))
  return new Route({
    pair: PAIR,
    connect: network.connect,
    receive: () => undefined,
    keepUp: false,
    policy,
    returns,
    account,
    total: { bytes: 0 },
    observer,
    limits: { ...defaultLimits, ...limits },
    clock,
    random: LONGEST,
    onForgettable: () => {
      forgotten += 1
    },
  })
}

function offer(to: Route, from: number, until: number, bytes = 100): void {
  for (let number = from; number <= until; number++) to.offer(numbered(number, { bytes }))
}

describe('a route', () => {
  it('dials once and drains its backlog in order', () => {
    const way = route()
    offer(way, 1, 5)
    expect(network.dials).toHaveLength(1)
    expect(network.last.pair).toEqual(PAIR)
    const session = network.last.succeed()
    offer(way, 6, 7)
    expect(numbers(session.sent)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(way.held()).toBe(7)
    session.confirm(3)
    way.settle()
    expect([account.delivered, way.held()]).toEqual([3, 4])
  })

  it('bounces every stanza once, with one condition, when all candidates failed', () => {
    const way = route()
    offer(way, 1, 3)
    network.last.fail(REFUSED)
    expect(returns.bounced.map(({ number }) => number)).toEqual([1, 2, 3])
    expect(new Set(returns.bounced.map(({ error }) => error.condition))).toEqual(
      new Set(['remote-server-timeout']),
    )
    expect(returns.bounced[0]?.error.text).toBe('montague.example: connection refused')
    expect(events).toMatchObject([{ type: 'stanza:bounced', count: 3, condition: 'remote-server-timeout' }])
    expect(way.held()).toBe(0)
  })

  it('lets what comes during the back-off wait for the next dial', () => {
    const way = route()
    offer(way, 1, 1)
    network.last.fail(REFUSED)
    offer(way, 2, 2)
    expect(way.state).toBe('waiting')
    clock.advance(defaultLimits.retryMinMs - 1)
    expect(network.dials).toHaveLength(1)
    clock.advance(1)
    expect(network.dials).toHaveLength(2)
    expect(numbers(network.last.succeed().sent)).toEqual([2])
  })

  it('bounces with the last failure what has waited too long, and never keeps it longer', () => {
    const way = route({ retryMinMs: 200_000 })
    offer(way, 1, 1)
    network.last.fail(REFUSED)
    clock.advance(10_000)
    offer(way, 2, 2)
    clock.advance(5_000)
    offer(way, 3, 3)
    clock.advance(54_999)
    expect(returns.bounced).toHaveLength(1)
    clock.advance(1)
    expect(returns.bounced.slice(1)).toMatchObject([
      {
        number: 2,
        error: { condition: 'remote-server-timeout', text: 'montague.example: connection refused' },
      },
    ])
    clock.advance(5_000)
    expect(returns.bounced.at(-1)?.number).toBe(3)
  })

  it('says so where a dial takes longer than a stanza may wait', () => {
    const way = route()
    offer(way, 1, 1)
    clock.advance(defaultLimits.queueAgeMs)
    expect(returns.bounced[0]?.error.text).toBe('montague.example: no stream within 60 s')
    expect(way.state).toBe('dialling')
  })

  it('backs off exponentially, up to the ceiling, and forgets after a good life', () => {
    const way = route()
    const delays: number[] = []
    offer(way, 0, 0)
    for (let round = 1; round <= 11; round++) {
      network.last.fail(REFUSED)
      const from = clock.monotonicMs()
      const dials = network.dials.length
      while (network.dials.length === dials) {
        if (way.held() === 0) offer(way, round, round)
        clock.advance(500)
      }
      delays.push(clock.monotonicMs() - from)
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map(seconds => seconds * 1_000))
    const session = network.last.succeed()
    clock.advance(defaultLimits.goodLifeMs)
    session.drain(0)
    offer(way, 100, 101)
    session.die(CUT)
    expect(way.state).toBe('dialling')
    network.last.fail(REFUSED)
    offer(way, 102, 102)
    clock.advance(defaultLimits.retryMinMs)
    expect(way.state).toBe('dialling')
  })

  it('waits as long as the peer asks by Retry-After, within reason', () => {
    const way = route({ queueAgeMs: 1e9 })
    offer(way, 1, 1)
    network.last.fail({ by: 'network', kind: 'http', detail: '503', status: 503, retryAfterMs: 90_000 })
    offer(way, 2, 2)
    clock.advance(89_999)
    expect(way.state).toBe('waiting')
    clock.advance(1)
    expect(way.state).toBe('dialling')
    network.last.fail({ by: 'network', kind: 'http', detail: '503', status: 503, retryAfterMs: 1e12 })
    offer(way, 3, 3)
    clock.advance(defaultLimits.retryAfterMaxMs)
    expect(way.state).toBe('dialling')
  })

  it('dials at once when the peer has come to us meanwhile', () => {
    const way = route({ retryMinMs: 30_000 })
    offer(way, 1, 1)
    network.last.fail(REFUSED)
    offer(way, 2, 2)
    way.peerIsUp()
    expect(network.dials).toHaveLength(2)
  })

  it('gives a domain up for a while that is unknown where it should be', () => {
    const way = route()
    offer(way, 1, 1)
    network.last.fail(UNKNOWN)
    expect(way.offer(numbered(2))).toMatchObject({ condition: 'remote-server-not-found' })
    clock.advance(defaultLimits.negativeCacheMs)
    expect(way.offer(numbered(3))).toBeNull()
    expect(network.dials).toHaveLength(2)
  })

  it('asks discovery anew where nothing was found: it remembers that for itself', () => {
    const way = route()
    offer(way, 1, 1)
    network.last.fail(NOWHERE)
    expect(returns.bounced[0]?.error).toEqual({
      condition: 'remote-server-not-found',
      text: 'montague.example: no host-meta at montague.example',
    })
    offer(way, 2, 2)
    expect(network.dials).toHaveLength(2)
  })

  it('keeps order across a reconnect: what waits goes first, what was written is not written again', () => {
    const way = route()
    offer(way, 1, 2)
    const first = network.last.succeed({ room: 4 })
    offer(way, 3, 9)
    expect(numbers(first.sent)).toEqual([1, 2, 3, 4])
    first.confirm(2)
    first.die(CUT)
    offer(way, 10, 11)
    expect(returns.told.map(({ number }) => number)).toEqual([3, 4])
    expect(returns.told[0]?.error.condition).toBe('remote-server-timeout')
    expect(returns.told[0]?.error.text).toContain('may or may not have been delivered')
    expect([account.delivered, account.inDoubt]).toEqual([2, 2])
    clock.advance(defaultLimits.retryMinMs)
    const second = network.last.succeed()
    expect(numbers(second.sent)).toEqual([5, 6, 7, 8, 9, 10, 11])
  })

  it('gives nothing to a stream that the peer is closing: it goes by the next one, in order', () => {
    const way = route()
    offer(way, 1, 1)
    const first = network.last.succeed()
    first.isClosing = true
    offer(way, 2, 600)
    expect([numbers(first.sent), way.held(), way.crowded]).toEqual([[1], 600, true])
    first.close()
    clock.advance(defaultLimits.retryMinMs)
    const second = network.last.succeed()
    expect(numbers(second.sent)).toEqual(Array.from({ length: 599 }, (_, at) => at + 2))
    expect([returns.bounced.length, account.inDoubt]).toEqual([0, 0])
  })

  it('lets no stanza kill two streams', () => {
    const way = route()
    offer(way, 1, 3)
    for (const killer of [1, 2, 3]) {
      const session = network.last.succeed({ room: 1 })
      expect(numbers(session.sent)).toEqual([killer])
      session.die(CUT)
      clock.advance(4 * defaultLimits.retryMinMs)
    }
    expect(returns.told.map(({ number }) => number)).toEqual([1, 2, 3])
    expect(network.dials).toHaveLength(3)
  })

  it('bounces what the peer would not take', () => {
    const way = route()
    offer(way, 1, 1, 100)
    offer(way, 2, 2, 10_001)
    offer(way, 3, 3, 100)
    const session = network.last.succeed({ maxBytes: 10_000 })
    expect(numbers(session.sent)).toEqual([1, 3])
    expect(returns.bounced).toMatchObject([
      { number: 2, error: { condition: 'policy-violation', type: 'modify' } },
    ])
    expect(way.offer(numbered(4, { bytes: 10_001 }))).toMatchObject({ condition: 'policy-violation' })
    expect(way.offer(numbered(5, { bytes: 10_000 }))).toBeNull()
  })
})

describe('backpressure', () => {
  it('slows the source while the stream is full, and lets it go on when there is room', async () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed({ room: 2 })
    expect(way.room()).toBeUndefined()
    offer(way, 2, 2)
    const room = way.room()
    expect(room).toBeInstanceOf(Promise)
    offer(way, 3, 4)
    expect(numbers(session.sent)).toEqual([1, 2])
    session.drain()
    await room
    expect(numbers(session.sent)).toEqual([1, 2, 3, 4])
    expect(way.room()).toBeUndefined()
  })

  it('refuses exactly what is beyond the queue, and slows the source long before', () => {
    const way = route()
    let slowedAt = 0
    const refused: number[] = []
    for (let number = 1; number <= 1_001; number++) {
      if (way.offer(numbered(number)) !== null) refused.push(number)
      if (slowedAt === 0 && way.room() !== undefined) slowedAt = number
    }
    expect(refused).toEqual([1_001])
    expect(slowedAt).toBe(defaultLimits.queueSlowStanzas)
    expect(events).toMatchObject([{ type: 'stanza:bounced', condition: 'resource-constraint', count: 1 }])
  })

  it('reports an episode of refusals twice, however many there were', () => {
    const way = route({ queueStanzas: 10 })
    offer(way, 1, 110)
    expect(events).toHaveLength(1)
    network.last.succeed()
    expect(events).toMatchObject([{ count: 1 }, { count: 99 }])
  })

  it('keeps to one MiB beside a peer that reads slowly, whatever its source ignores', () => {
    const way = route()
    offer(way, 1, 1)
    network.last.succeed({ room: 1 })
    let taken = 0
    for (let number = 2; number < 900; number++) {
      if (way.offer(numbered(number, { bytes: 2_000 })) === null) taken += 2_000
    }
    expect(taken).toBeLessThanOrEqual(defaultLimits.sendMaxBytes - defaultLimits.sendHighWaterBytes)
    expect(taken).toBeGreaterThan(700_000)
  })

  it('keeps to one MiB with the stream’s own buffer, whatever the stanzas are like', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: defaultLimits.stanzaBytes }), fc.nat(300_000)), {
          minLength: 20,
          maxLength: 60,
        }),
        moves => {
          network = new ScriptedNetwork()
          const way = route()
          offer(way, 1, 1)
          const session = network.last.succeed()
          let buffered = 0
          let waiting: number[] = []
          session.send = stanza => {
            if (stanza.id !== '1' && waiting[0] === stanza.bytes.length) waiting = waiting.slice(1)
            buffered += stanza.bytes.length
            return buffered <= defaultLimits.sendHighWaterBytes
          }
          for (const [bytes, read] of moves) {
            const before = buffered
            const refusal = way.offer(numbered(2, { bytes }))
            if (refusal === null && buffered === before) waiting.push(bytes)
            const queued = waiting.reduce((sum, each) => sum + each, 0)
            // One stanza may be larger than all the room there is; it went out alone, with nothing before it.
            expect(buffered + queued).toBeLessThanOrEqual(defaultLimits.sendMaxBytes)
            buffered = Math.max(0, buffered - read)
            if (buffered === 0) session.drain()
          }
        },
      ),
    )
  })

  it('bounces what a slow reader has not taken in time as resource-constraint', () => {
    const way = route()
    offer(way, 1, 1)
    network.last.succeed({ room: 1 })
    offer(way, 2, 2)
    offer(way, 3, 3)
    clock.advance(defaultLimits.queueAgeMs)
    expect(returns.bounced).toMatchObject([{ number: 2 }, { number: 3 }])
    expect(returns.bounced[0]?.error.condition).toBe('resource-constraint')
  })

  it('releases whoever waits when the stream dies', async () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed({ room: 1 })
    offer(way, 2, 2)
    const room = way.room()
    session.die(CUT)
    await room
  })
})

describe('an idle route', () => {
  it('closes an unused stream in order, and re-routes what comes meanwhile', () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed()
    session.confirm(1)
    clock.advance(2 * defaultLimits.outboundIdleMs - 1)
    expect(session.endedWith).toBeUndefined()
    clock.advance(1)
    expect(session.endedWith).toBeNull()
    offer(way, 2, 2)
    expect(network.dials).toHaveLength(1)
    session.close()
    expect(network.dials).toHaveLength(2)
    expect(numbers(network.last.succeed().sent)).toEqual([2])
  })

  it('stays open while it is used, or while something is unconfirmed', () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed()
    clock.advance(5 * defaultLimits.outboundIdleMs)
    expect(session.endedWith).toBeUndefined()
    for (let number = 2; number < 6; number++) {
      offer(way, number, number)
      session.confirm(session.unconfirmed)
      clock.advance(defaultLimits.outboundIdleMs)
    }
    expect(session.endedWith).toBeUndefined()
  })

  it('is forgotten, with its timers, once there is nothing to remember', () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed()
    clock.advance(defaultLimits.goodLifeMs)
    session.close()
    clock.advance(0)
    expect(forgotten).toBe(1)
    clock.advance(defaultLimits.queueAgeMs)
    expect(clock.pending()).toBe(0)
  })
})

describe('stopping', () => {
  it('bounces what waits, ends the stream with system-shutdown and waits for its end', async () => {
    const way = route()
    offer(way, 1, 1)
    const session = network.last.succeed({ room: 1 })
    offer(way, 2, 2)
    way.stopDialling()
    expect(returns.bounced).toEqual([])
    offer(way, 3, 3)
    const ended = way.end({ by: 'us', kind: 'shutdown', detail: 'this server is stopping' })
    expect(returns.bounced.map(({ number }) => number)).toEqual([2, 3])
    expect(session.endedWith).toMatchObject({ kind: 'shutdown' })
    expect(way.offer(numbered(4))).toMatchObject({ condition: 'remote-server-timeout' })
    session.close()
    await ended
    expect([way.state, account.delivered]).toEqual(['stopped', 1])
  })

  it('aborts a dial', () => {
    const way = route()
    offer(way, 1, 1)
    way.stopDialling()
    expect(network.last.signal.aborted).toBe(true)
    expect(returns.bounced).toHaveLength(1)
    network.last.fail({ by: 'us', kind: 'aborted', detail: '' })
    expect(way.state).toBe('stopped')
  })
})

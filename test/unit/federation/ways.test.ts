import { describe, expect, it } from 'vitest'
import type { Limits } from '../../../src/base/index.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { CUT, MONTAGUE, numbered, numbers, REFUSED } from '../../kit/scripted-network.ts'
import { ScriptedRoute } from '../../kit/scripted-route.ts'

const MAX_AGE_MS = 100_000
/** jitter at its longest */
const AGED_MS = 80_000
const RESTARTS: Failure = { by: 'peer', kind: 'reported', condition: 'system-shutdown', detail: '' }

const aging = (limits: Partial<Limits> = {}, random?: { unit: () => number }) =>
  new ScriptedRoute(
    { maxStreamAgeMs: MAX_AGE_MS, ...limits },
    random === undefined ? {} : { random: { bytes: length => new Uint8Array(length), ...random } },
  )

describe('a stream that is as old as it may become', () => {
  it('goes on until the next one stands; then all goes by that, and the old one is closed in order', () => {
    const route = aging()
    const old = route.open()
    route.clock.advance(AGED_MS - 1)
    expect(route.network.dials).toHaveLength(1)
    route.clock.advance(1)
    expect(route.network.dials).toHaveLength(2)
    route.offer(1, 3)
    expect([numbers(old.sent), old.endedWith]).toEqual([[0, 1, 2, 3], undefined])
    old.confirm(3)
    const next = route.network.last.succeed()
    route.offer(4, 5)
    expect([numbers(next.sent), old.endedWith]).toEqual([[4, 5], null])
    old.close()
    next.confirm(2)
    route.way.settle()
    expect([route.account.delivered, route.way.held(), route.way.state]).toEqual([6, 0, 'open'])
  })

  it('is left once all that it carries is confirmed: no stanza overtakes another', () => {
    const route = aging()
    const old = route.open()
    route.offer(1, 3)
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.offer(4, 5)
    old.confirm(2)
    route.look()
    expect([numbers(old.sent), next.sent, old.endedWith]).toEqual([[0, 1, 2, 3], [], undefined])
    expect([route.way.held(), route.way.crowded]).toEqual([3, false])
    old.confirm(1)
    route.look()
    expect([numbers(next.sent), old.endedWith, old.unconfirmed]).toEqual([[4, 5], null, 0])
    route.offer(6)
    expect(numbers(next.sent)).toEqual([4, 5, 6])
  })

  it('is moved at a time of its own', () => {
    const at = (unit: number) => {
      const route = aging({}, { unit: () => unit })
      route.open()
      while (route.network.dials.length === 1) route.clock.advance(100)
      return route.clock.monotonicMs()
    }
    expect([at(0), at(0.5), at(1)]).toEqual([MAX_AGE_MS, 0.9 * MAX_AGE_MS, 0.8 * MAX_AGE_MS])
  })

  it('is not at all where there is no such limit, nor moved before it stands', () => {
    const route = new ScriptedRoute()
    route.open()
    for (let hours = 0; hours < 24; hours++) {
      route.offer(1)
      route.network.sessions[0]?.confirm(1)
      route.clock.advance(3_600_000)
    }
    expect(route.network.dials.filter(({ open }) => open)).toHaveLength(0)
    expect(route.network.sessions).toHaveLength(route.network.dials.length)
  })

  it('goes on where no other comes to stand; we try again later and later', () => {
    const route = aging()
    const old = route.open()
    route.clock.advance(AGED_MS)
    for (const [index, delayMs] of [1_000, 2_000, 4_000].entries()) {
      route.network.last.fail(index === 1 ? { by: 'peer', kind: 'no-endpoint', detail: '' } : REFUSED)
      route.offer(index + 1)
      route.clock.advance(delayMs - 1)
      expect(route.network.last.open).toBe(false)
      route.clock.advance(1)
      expect(route.network.last.open).toBe(true)
    }
    expect(numbers(old.sent)).toEqual([0, 1, 2, 3])
    expect([route.returns.bounced, route.way.state]).toEqual([[], 'open'])
    old.confirm(3)
    route.network.last.succeed()
    expect(old.endedWith).toBeNull()
  })

  it('goes on where its peer confirms nothing; the new one is closed, and another tried later', () => {
    const route = aging()
    const old = route.open()
    route.offer(1)
    route.clock.advance(AGED_MS)
    const first = route.network.last.succeed()
    route.offer(2, 3)
    route.clock.advance(route.limits.handoverMs)
    expect([numbers(old.sent), first.sent]).toEqual([[0, 1, 2, 3], []])
    expect([old.endedWith, first.endedWith]).toEqual([undefined, null])
    first.close()
    old.confirm(3)
    route.clock.advance(route.limits.retryMinMs)
    route.network.last.succeed()
    expect(old.endedWith).toBeNull()
    expect([route.returns.bounced, route.returns.told]).toEqual([[], []])
  })

  it('is waited for as long as it takes to read what it was given', () => {
    const route = aging({ queueAgeMs: 1e9 })
    const old = route.open({ room: 3 })
    route.offer(1, 4)
    expect(route.way.crowded).toBe(true)
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.clock.advance(3 * route.limits.handoverMs)
    expect([next.endedWith, next.sent]).toEqual([undefined, []])
    old.drain()
    old.confirm(2)
    route.look()
    expect([numbers(old.sent), numbers(next.sent)]).toEqual([
      [0, 1, 2],
      [3, 4],
    ])
  })

  it('that dies while the next one is dialled leaves all to that dial', () => {
    const route = aging()
    const old = route.open()
    route.clock.advance(AGED_MS)
    route.offer(1)
    old.die(CUT)
    route.offer(2)
    expect([route.network.dials.length, route.way.state]).toEqual([2, 'dialling'])
    expect(numbers(route.network.last.succeed().sent)).toEqual([2])
    expect(route.returns.told.map(({ number }) => number)).toEqual([1])
  })

  it('that dies while it hands over has done so', () => {
    const route = aging()
    const old = route.open()
    route.offer(1, 2)
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.offer(3)
    old.confirm(1)
    old.die(CUT)
    expect(numbers(next.sent)).toEqual([3])
    expect(route.returns.told.map(({ number }) => number)).toEqual([2])
    expect([route.account.delivered, route.account.inDoubt]).toEqual([2, 1])
    route.look()
    expect(next.endedWith).toBeUndefined()
  })

  it('keeps its route as long as it takes to end', () => {
    const route = aging({ goodLifeMs: 1_000 })
    const old = route.open()
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.clock.advance(1_000)
    next.close()
    expect([old.endedWith, route.way.state]).toEqual([null, 'idle'])
    route.clock.advance(2 * route.limits.retryMaxMs)
    expect(route.forgotten).toBe(0)
    old.close()
    route.clock.advance(route.limits.retryMaxMs)
    expect([route.forgotten, route.clock.pending()]).toEqual([1, 0])
  })

  it('goes on where the next one dies before it is written to', () => {
    const route = aging()
    const old = route.open()
    route.offer(1)
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.offer(2)
    next.die(CUT)
    route.offer(3)
    expect([numbers(old.sent), route.way.state]).toEqual([[0, 1, 2, 3], 'open'])
    old.confirm(3)
    route.clock.advance(route.limits.retryMinMs)
    route.network.last.succeed()
    expect(old.endedWith).toBeNull()
  })

  it('is given no more, and no other is dialled, when we stop', async () => {
    const route = aging()
    const old = route.open()
    route.offer(1)
    route.clock.advance(AGED_MS)
    const next = route.network.last.succeed()
    route.offer(2)
    route.way.stopDialling()
    route.offer(3)
    const ended = route.way.end({ by: 'us', kind: 'shutdown', detail: '' })
    expect([old.endedWith, next.endedWith]).toMatchObject([{ kind: 'shutdown' }, { kind: 'shutdown' }])
    expect(route.returns.bounced.map(({ number }) => number)).toEqual([2, 3])
    next.close()
    expect(route.way.state).toBe('closing')
    old.close()
    await ended
    route.clock.advance(route.limits.queueAgeMs)
    expect([route.way.state, route.account.delivered, route.clock.pending()]).toEqual(['stopped', 2, 0])
  })

  it('moves for ever, with nothing lost, nothing twice and all in order', () => {
    const route = aging({ maxStreamAgeMs: 5_000 })
    route.open()
    const { sessions } = route.network
    let number = 0
    for (let turn = 0; turn < 3_000; turn++) {
      route.offer(++number)
      route.clock.advance(20)
      if (route.network.last.open && turn % 7 === 0) route.network.last.succeed()
      if (turn % 10 === 0) {
        for (const session of sessions) {
          if (session.over) continue
          session.confirm(session.unconfirmed)
          if (session.isClosing) session.close()
        }
      }
    }
    for (const session of sessions) if (!session.over) session.close()
    const all = sessions.flatMap(({ sent }) => numbers(sent))
    expect(all).toEqual(Array.from({ length: number + 1 }, (_, at) => at))
    expect(sessions.length).toBeGreaterThan(10)
    expect(route.account).toMatchObject({ delivered: number + 1, inDoubt: 0 })
  })
})

describe('a stream of ours that is bidi', () => {
  it('brings stanzas, and waits where they have no room', () => {
    const route = new ScriptedRoute()
    route.open({ bidi: true })
    const { last } = route.network
    expect(last.say(numbered(7, { from: MONTAGUE }))).toBeUndefined()
    route.busy = Promise.resolve()
    expect(last.say(numbered(8, { from: MONTAGUE }))).toBe(route.busy)
    expect(numbers(route.received)).toEqual([7, 8])
  })

  it('is used as long as the peer uses it, and is moved like any other', () => {
    const route = aging({ outboundIdleMs: 10_000 })
    const old = route.open({ bidi: true })
    const dial = route.network.last
    for (let ms = 0; ms < AGED_MS; ms += 10_000) {
      dial.say(numbered(1, { from: MONTAGUE }))
      route.clock.advance(10_000)
    }
    expect(old.endedWith).toBeUndefined()
    const next = route.network.last.succeed({ bidi: true })
    expect(old.endedWith).toBeNull()
    dial.say(numbered(2, { from: MONTAGUE }))
    route.offer(1)
    expect([numbers(next.sent), numbers(route.received).at(-1)]).toEqual([[1], 2])
  })

  it('is closed in order once neither side uses it', () => {
    const route = new ScriptedRoute()
    const session = route.open({ bidi: true })
    route.clock.advance(2 * route.limits.outboundIdleMs)
    expect(session.endedWith).toBeNull()
  })
})

describe('a stream that a peer has opened and that takes stanzas', () => {
  it('[BI-06] is written to rather than one that we would have to dial', async () => {
    const route = new ScriptedRoute()
    const session = await route.adopt()
    route.offer(1, 2)
    expect([numbers(session.sent), route.network.dials]).toEqual([[1, 2], []])
    session.confirm(1)
    route.way.settle()
    expect([route.account.delivered, route.way.held(), route.way.state]).toEqual([1, 1, 'open'])
    session.close()
    expect([route.account.delivered, route.way.held()]).toEqual([2, 0])
    route.clock.advance(route.limits.retryMinMs)
    route.clock.advance(0)
    expect(route.forgotten).toBe(1)
  })

  it('[BI-06] takes what waits for a dial; the stream of that dial is closed again', async () => {
    const route = new ScriptedRoute()
    route.offer(1, 3)
    const session = await route.adopt()
    expect(numbers(session.sent)).toEqual([1, 2, 3])
    const ours = route.network.last.succeed()
    route.offer(4)
    expect([numbers(session.sent), ours.sent, ours.endedWith]).toEqual([[1, 2, 3, 4], [], null])
    ours.close()
    route.offer(5)
    expect([numbers(session.sent), route.network.dials.length]).toEqual([[1, 2, 3, 4, 5], 1])
  })

  it('[BI-06] it does not matter then whether that dial fails', async () => {
    const route = new ScriptedRoute()
    route.offer(1)
    const session = await route.adopt()
    route.network.last.fail(REFUSED)
    route.offer(2)
    expect([numbers(session.sent), route.returns.bounced, route.way.state]).toEqual([[1, 2], [], 'open'])
  })

  it('[BI-06] takes what waits for a back-off, even where the domain was given up', async () => {
    const route = new ScriptedRoute()
    route.offer(1)
    route.network.last.fail({ by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' })
    expect(route.way.offer(numbered(2))).not.toBeNull()
    const session = await route.adopt()
    expect(route.way.offer(numbered(3))).toBeNull()
    route.clock.advance(route.limits.negativeCacheMs)
    expect([numbers(session.sent), route.network.dials.length]).toEqual([[3], 1])
  })

  it('takes over from one of ours once that is confirmed; ours is closed where only we use it', async () => {
    const route = new ScriptedRoute()
    const ours = route.open()
    route.offer(1)
    const session = await route.adopt()
    route.offer(2)
    expect([numbers(ours.sent), session.sent]).toEqual([[0, 1], []])
    ours.confirm(1)
    route.look()
    expect([numbers(session.sent), ours.endedWith]).toEqual([[2], null])
  })

  it('leaves one of ours that is bidi in reserve: the peer may write to it', async () => {
    const route = new ScriptedRoute()
    const ours = route.open({ bidi: true })
    const session = await route.adopt()
    route.offer(1)
    session.die(CUT)
    route.offer(2)
    expect([numbers(session.sent), numbers(ours.sent), ours.endedWith]).toEqual([[1], [0, 2], undefined])
    await route.adopt()
    ours.confirm(1)
    route.look()
    route.clock.advance(2 * route.limits.outboundIdleMs)
    expect([ours.endedWith, route.way.state]).toEqual([null, 'open'])
    ours.close()
    expect(route.network.dials).toHaveLength(1)
  })

  it('gives way to one of ours that is bidi and newer', async () => {
    const route = new ScriptedRoute()
    route.offer(1)
    const session = await route.adopt()
    const ours = route.network.last.succeed({ bidi: true })
    route.offer(2)
    session.confirm(1)
    route.look()
    expect([numbers(session.sent), numbers(ours.sent), session.endedWith]).toEqual([[1], [2], undefined])
  })

  it('gives way to a newer one, and comes back when that ends', async () => {
    const route = new ScriptedRoute()
    const first = await route.adopt()
    route.offer(1)
    const second = await route.adopt()
    route.offer(2)
    const third = await route.adopt()
    route.offer(3)
    first.confirm(1)
    route.look()
    expect([first, second, third].map(({ sent }) => numbers(sent))).toEqual([[1], [], [2, 3]])
    second.close()
    third.die(CUT)
    route.offer(4)
    expect([numbers(first.sent), route.network.dials]).toEqual([[1, 4], []])
    expect(route.returns.told.map(({ number }) => number)).toEqual([2, 3])
  })

  it('is not given up for a newer one while it confirms nothing', async () => {
    const route = new ScriptedRoute()
    const first = await route.adopt()
    route.offer(1)
    const second = await route.adopt()
    route.offer(2)
    route.clock.advance(route.limits.handoverMs)
    expect([numbers(first.sent), second.sent]).toEqual([[1, 2], []])
    first.die(CUT)
    route.offer(3)
    expect(numbers(second.sent)).toEqual([3])
  })

  it('that has ended, in order or not, is given a moment to come back: perhaps only its peer can dial', async () => {
    const route = new ScriptedRoute()
    const first = await route.adopt({ room: 1 })
    route.offer(1, 2)
    first.close()
    expect(route.way.state).toBe('waiting')
    const second = await route.adopt({ room: 1 })
    route.offer(3)
    expect(numbers(second.sent)).toEqual([2])
    second.die(CUT)
    expect(route.way.state).toBe('waiting')
    expect(numbers((await route.adopt()).sent)).toEqual([3])
    expect(route.network.dials).toEqual([])
    expect(route.returns.bounced).toEqual([])
  })

  it.each([
    ['cut', CUT],
    ['closed in order', null],
  ] as const)('that was %s and does not come back is dialled', async (_, failure) => {
    const route = new ScriptedRoute()
    const session = await route.adopt()
    if (failure === null) session.close()
    else session.die(failure)
    route.offer(1)
    route.clock.advance(route.limits.retryMinMs)
    route.network.last.fail({ by: 'peer', kind: 'no-endpoint', detail: 'nothing is published' })
    expect(route.returns.bounced).toMatchObject([{ error: { condition: 'remote-server-not-found' } }])
  })

  it('[LI-03] is given nothing that is larger than its peer takes', async () => {
    const route = new ScriptedRoute()
    route.offer(1, 1, 10_001)
    const session = await route.adopt({ maxBytes: 10_000 })
    expect(route.returns.bounced).toMatchObject([
      { number: 1, error: { condition: 'policy-violation', type: 'modify' } },
    ])
    expect(route.way.offer(numbered(2, { bytes: 10_001 }))).toMatchObject({ condition: 'policy-violation' })
    expect(route.way.offer(numbered(3, { bytes: 10_000 }))).toBeNull()
    expect(numbers(session.sent)).toEqual([3])
  })

  it('slows the source while it is full', async () => {
    const route = new ScriptedRoute()
    const session = await route.adopt({ room: 1 })
    route.offer(1, 3)
    const room = route.way.room()
    expect(room).toBeInstanceOf(Promise)
    session.drain()
    await room
    expect(numbers(session.sent)).toEqual([1, 2, 3])
  })

  it('is never ended by us: not unused, not old, not when we stop', async () => {
    const route = aging()
    const session = await route.adopt()
    route.offer(1)
    route.clock.advance(10 * route.limits.outboundIdleMs)
    expect([session.endedWith, route.network.dials]).toEqual([undefined, []])
    await route.way.end({ by: 'us', kind: 'shutdown', detail: '' })
    route.way.abort()
    expect([session.endedWith, session.abortedWith, route.way.state]).toEqual([
      undefined,
      undefined,
      'stopped',
    ])
    expect(route.way.offer(numbered(2))).toMatchObject({ condition: 'remote-server-timeout' })
    expect(route.way.held()).toBe(1)
    session.close()
    expect([route.way.held(), route.account.delivered]).toEqual([0, 1])
  })

  it('that ends as we stop dialling leaves nothing behind', async () => {
    const route = new ScriptedRoute()
    const session = await route.adopt({ room: 1 })
    route.offer(1, 2)
    route.way.stopDialling()
    session.close()
    expect([route.way.state, route.returns.bounced.map(({ number }) => number)]).toEqual(['stopped', [2]])
    await route.way.end({ by: 'us', kind: 'shutdown', detail: '' })
  })
})

describe('a route that is kept up', () => {
  const keptUp = (limits: Partial<Limits> = {}) => new ScriptedRoute(limits, { keepUp: true })

  it('[BI-07] its stream is not closed because it is unused', () => {
    const route = keptUp()
    const session = route.open({ bidi: true })
    route.clock.advance(100 * route.limits.outboundIdleMs)
    expect([session.endedWith, route.way.state]).toEqual([undefined, 'open'])
  })

  it('[BI-07] it is dialled again although nothing waits: at once, then with back-off', () => {
    const route = keptUp()
    const first = route.open({ bidi: true })
    first.die(CUT)
    expect(route.network.dials).toHaveLength(2)
    for (const delayMs of [1_000, 2_000, 4_000]) {
      route.network.last.fail(REFUSED)
      route.clock.advance(delayMs - 1)
      expect(route.network.last.open).toBe(false)
      route.clock.advance(1)
      expect(route.network.last.open).toBe(true)
    }
    const second = route.network.last.succeed({ bidi: true })
    second.close()
    route.clock.advance(route.limits.retryMaxMs)
    expect(route.network.last.open).toBe(true)
    expect([route.forgotten, route.returns.bounced]).toEqual([0, []])
  })

  it('[BI-07] whatever a restarting peer says meanwhile', () => {
    const route = keptUp()
    route.open({ bidi: true }).die(RESTARTS)
    route.clock.advance(route.limits.retryMinMs)
    for (const failure of [
      { by: 'peer', kind: 'no-endpoint', detail: '' },
      { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' },
    ] as const) {
      route.network.last.fail(failure)
      expect(route.way.offer(numbered(1))).toMatchObject({ condition: 'remote-server-not-found' })
      route.clock.advance(route.limits.negativeCacheMs)
      expect(route.network.last.open).toBe(true)
    }
  })

  it('[BI-07] for a day after the last stream', () => {
    const route = keptUp()
    route.open({ bidi: true }).die(CUT)
    const { keepUpMs, retryMaxMs } = route.limits
    while (route.clock.monotonicMs() < keepUpMs) {
      if (route.network.last.open) route.network.last.fail(REFUSED)
      route.clock.advance(100_000)
    }
    expect(route.network.dials.length).toBeGreaterThan(keepUpMs / retryMaxMs)
    if (route.network.last.open) route.network.last.fail(REFUSED)
    route.clock.advance(2 * retryMaxMs)
    expect([route.network.last.open, route.forgotten, route.clock.pending()]).toEqual([false, 1, 0])
  })

  it('[BI-07] not where its stream was none for both ways', () => {
    const route = keptUp()
    const session = route.open()
    route.clock.advance(2 * route.limits.outboundIdleMs)
    expect(session.endedWith).toBeNull()
    session.close()
    expect(route.network.dials).toHaveLength(1)
  })

  it('[BI-07] not any more when we stop', () => {
    const route = keptUp()
    const session = route.open({ bidi: true })
    route.way.stopDialling()
    session.die(CUT)
    route.clock.advance(route.limits.keepUpMs)
    expect([route.network.dials.length, route.way.state, route.clock.pending()]).toEqual([1, 'stopped', 0])
  })
})

describe('a stream of ours that is lost', () => {
  const again = (route: ScriptedRoute) => route.network.last.open

  it('is dialled again at once where something waits, but once only', () => {
    const route = new ScriptedRoute()
    const first = route.open({ room: 2 })
    route.offer(1, 2)
    first.die(CUT)
    expect(again(route)).toBe(true)
    const second = route.network.last.succeed({ room: 1 })
    route.offer(3)
    second.die(CUT)
    expect(route.way.state).toBe('waiting')
    route.clock.advance(route.limits.retryMinMs)
    const third = route.network.last.succeed({ room: 1 })
    route.clock.advance(route.limits.goodLifeMs)
    route.offer(4)
    third.die(CUT)
    expect(again(route)).toBe(true)
    route.network.last.succeed().die(CUT)
    expect(route.way.state).toBe('waiting')
  })

  it('is not dialled before something waits', () => {
    const route = new ScriptedRoute()
    route.open().die(CUT)
    expect([route.network.dials.length, route.way.state]).toEqual([1, 'idle'])
    route.offer(1)
    route.network.last.succeed().die(CUT)
    expect(route.way.state).toBe('waiting')
  })

  it.each<Failure | null>([null, RESTARTS])('backs off where the peer has ended it: %j', failure => {
    const route = new ScriptedRoute()
    const session = route.open({ room: 2 })
    route.offer(1, 2)
    if (failure === null) session.close()
    else session.die(failure)
    expect([route.way.state, route.network.dials.length]).toEqual(['waiting', 1])
    route.clock.advance(route.limits.retryMinMs)
    expect(numbers(route.network.last.succeed().sent)).toEqual([2])
  })
})

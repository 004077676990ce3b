import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Confirmation } from '../../../src/session/confirmation.ts'
import { Unconfirmed } from '../../../src/session/unconfirmed.ts'
import { memoryTransportPair } from '../../../src/transport/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import {
  CLOSE,
  established,
  numbered,
  overTcp,
  range,
  say,
  standingAgainst,
  text,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

const { confirmMs, pingsPerSecond } = defaultLimits

describe('what a peer has read', () => {
  it('is known a fraction of a second after it was sent', async () => {
    const { initiating, clock } = await established()
    const { standing } = initiating.handler
    for (const number of [1, 2]) standing.send(numbered(number))
    await turns()
    expect(standing.confirmedCount()).toBe(0)
    await clock.pass(confirmMs)
    expect(standing.confirmedCount()).toBe(2)
    standing.send(numbered(3))
    await clock.pass(confirmMs)
    expect(standing.confirmedCount()).toBe(3)
    initiating.transport.cut()
    await turns()
    expect(initiating.handler.ends).toMatchObject([{ unconfirmed: [], unconfirmedCount: 0 }])
  })

  it('costs a busy stream few pings, and a peer that floods itself none of its limits', async () => {
    const { initiating, clock } = await established()
    const { standing } = initiating.handler
    const ping = initiating.transport.ping.bind(initiating.transport)
    let pings = 0
    initiating.transport.ping = id => {
      pings += 1
      return ping(id)
    }
    for (let ms = 0; ms < 10_000; ms += 10) {
      standing.send(numbered(ms))
      await clock.pass(10)
    }
    expect(pings).toBeLessThanOrEqual((10 * pingsPerSecond) / 3)
    expect(standing.confirmedCount()).toBeGreaterThan(950)
  })

  it('is what was sent before the ping, not what came behind it', async () => {
    const against = await standingAgainst()
    const { standing } = against.handler
    standing.send(numbered(1))
    against.clock.advance(confirmMs)
    for (const number of [2, 3]) standing.send(numbered(number))
    await turns()
    expect(standing.confirmedCount()).toBe(1)
    against.peer.cut()
    await turns()
    expect(against.handler.unconfirmed).toEqual([2, 3])
  })

  it('is nothing where the wire answered other pings than ours, or the peer read nothing', async () => {
    const against = await standingAgainst()
    against.peer.pause()
    for (const number of range(1, 3)) against.handler.standing.send(numbered(number))
    for (const id of [0, 1, 2, 7]) against.peer.ping(id)
    await against.clock.pass(10 * confirmMs, confirmMs)
    against.peer.cut()
    await turns()
    expect(against.handler.unconfirmed).toEqual([1, 2, 3])
    expect(against.clock.pending()).toBe(0)
  })

  it('is everything after an end in order', async () => {
    const { initiating } = await established()
    for (const number of range(1, 20)) initiating.handler.standing.send(numbered(number))
    initiating.session.end(null)
    await turns()
    expect(initiating.handler.standing.confirmedCount()).toBe(20)
    expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
  })

  it('is everything after an end of ours with a reason, too', async () => {
    const { initiating } = await established()
    for (const number of range(1, 20)) initiating.handler.standing.send(numbered(number))
    initiating.session.end({ by: 'us', kind: 'shutdown', detail: '' })
    await turns()
    expect(initiating.handler.ends).toMatchObject([{ failure: { kind: 'shutdown' }, unconfirmedCount: 0 }])
  })

  it('is asked a last time by an end, of a peer that answers', async () => {
    const { initiating, clock } = await established()
    initiating.handler.standing.send(numbered(1))
    await clock.pass(confirmMs)
    expect(initiating.handler.standing.confirmedCount()).toBe(1)
    for (const number of range(2, 5)) initiating.handler.standing.send(numbered(number))
    initiating.session.end(null)
    await turns()
    expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
  })

  it('is in doubt where the closes cross, and a peer that answers has not', async () => {
    const against = await standingAgainst()
    against.handler.standing.send(numbered(1))
    await against.clock.pass(confirmMs)
    against.peer.pause()
    against.handler.standing.send(numbered(2))
    against.session.end(null)
    await say(against, [CLOSE])
    await against.clock.pass(2 * defaultLimits.closeMs)
    expect(against.handler.unconfirmed).toEqual([2])
  })

  it('is in doubt where our close has no answer', async () => {
    const against = await standingAgainst({ wire: { pings: false } })
    against.handler.standing.send(numbered(1))
    against.session.end(null)
    await turns()
    against.peer.cut()
    await turns()
    expect(against.handler.unconfirmed).toEqual([1])
  })

  it('is not what was given to a session behind its close', async () => {
    const against = await standingAgainst({ wire: { pings: false } })
    against.handler.standing.send(numbered(1))
    against.session.end(null)
    against.handler.standing.send(numbered(2))
    await say(against, [CLOSE])
    expect(against.handler.unconfirmed).toEqual([2])
  })

  it('is not what was given behind its close, also where a ping is sent later', () => {
    const confirmation = byPings()
    confirmation.add(numbered(1))
    confirmation.close()
    confirmation.add(numbered(2))
    confirmation.ping()
    confirmation.answered(2)
    expect(confirmation.confirmed).toBe(1)
    expect(confirmation.unconfirmed).toBe(1)
  })

  it('is not what somebody sends on hearing of the end: it is told like the rest', async () => {
    const against = await standingAgainst()
    const { standing } = against.handler
    const push = against.events.push.bind(against.events)
    against.events.push = (...events) => {
      if (events.some(({ type }) => type === 'stream:ended')) standing.send(numbered(2))
      return push(...events)
    }
    standing.send(numbered(1))
    against.peer.cut()
    await turns()
    expect(against.handler.unconfirmed).toEqual([1, 2])
    expect(() => standing.send(numbered(3))).toThrow('has ended')
    expect(against.clock.pending()).toBe(0)
  })

  it('is asked once until there is an answer, and never where there is none', async () => {
    for (const [wire, count] of [
      [{}, 1],
      [overTcp(), 0],
    ] as const) {
      const { initiating, receiving, clock } = await established({ wire })
      receiving.transport.pause()
      const quiet = clock.pending()
      let pings = 0
      const ping = initiating.transport.ping.bind(initiating.transport)
      initiating.transport.ping = id => {
        const isSent = ping(id)
        if (isSent) pings += 1
        return isSent
      }
      for (let n = 0; n < 20; n++) {
        initiating.handler.standing.send(numbered(n))
        await clock.pass(confirmMs)
      }
      initiating.handler.standing.send(numbered(20))
      expect(pings).toBe(count)
      expect(clock.pending()).toBe(quiet)
    }
  })

  it('is not what a late answer to an earlier ping says', () => {
    const confirmation = byPings()
    confirmation.add(numbered(1))
    confirmation.ping()
    confirmation.add(numbered(2))
    confirmation.ping()
    confirmation.answered(1)
    expect(confirmation.confirmed).toBe(0)
    confirmation.answered(2)
    expect(confirmation.confirmed).toBe(2)
    confirmation.add(numbered(3))
    confirmation.answered(2)
    expect(confirmation.confirmed).toBe(2)
  })

  it('is everything after the peer’s end in order, where it answers pings', async () => {
    const { initiating, receiving } = await established()
    for (const number of range(1, 20)) initiating.handler.standing.send(numbered(number))
    receiving.session.end(null)
    await turns()
    expect(receiving.handler.numbers).toEqual(range(1, 20))
    expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
  })

  it('is said by the closes themselves on a wire without pings, whoever closes first', async () => {
    for (const closer of ['initiating', 'receiving'] as const) {
      const { initiating, receiving } = await established({ wire: overTcp() })
      for (const number of range(1, 20)) initiating.handler.standing.send(numbered(number))
      const { session } = closer === 'initiating' ? initiating : receiving
      session.end(null)
      await turns()
      expect(receiving.handler.numbers).toEqual(range(1, 20))
      expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    }
  })

  it('is in doubt where that wire dies between the closes', async () => {
    const against = await standingAgainst({ wire: { pings: false } })
    against.handler.standing.send(numbered(1))
    await say(against, [CLOSE])
    against.peer.cut()
    await turns()
    expect(against.handler.unconfirmed).toEqual([1])
  })

  it('is in doubt after a stream error, whatever the wire answers from then on', async () => {
    const against = await standingAgainst()
    for (const number of [1, 2]) against.handler.standing.send(numbered(number))
    await say(against, [
      `<stream:error xmlns:stream='${NS.stream}'><host-unknown xmlns='${NS.streamErrors}'/></stream:error>`,
    ])
    await against.clock.pass(confirmMs)
    await say(against, [CLOSE])
    expect(against.handler.ends).toMatchObject([{ failure: { kind: 'reported' }, unconfirmedCount: 2 }])
  })

  it('is in doubt after a stream error, also where it had been asked before', async () => {
    const against = await standingAgainst()
    against.handler.standing.send(numbered(1))
    against.peer.pause()
    await against.clock.pass(confirmMs)
    await say(against, [
      `<stream:error xmlns:stream='${NS.stream}'><host-unknown xmlns='${NS.streamErrors}'/></stream:error>`,
    ])
    against.peer.resume()
    await turns()
    await say(against, [CLOSE])
    expect(against.handler.unconfirmed).toEqual([1])
  })

  it('is in doubt where the peer answers our close by an error', async () => {
    const against = await standingAgainst({ wire: { pings: false } })
    against.handler.standing.send(numbered(1))
    against.session.end(null)
    await say(against, [
      `<stream:error xmlns:stream='${NS.stream}'><host-unknown xmlns='${NS.streamErrors}'/></stream:error>`,
      CLOSE,
    ])
    expect(against.handler.unconfirmed).toEqual([1])
  })
})

describe('the memory of it', () => {
  it('keeps the newest, counts all, and never more than its limits', () => {
    const unconfirmed = new Unconfirmed({ unconfirmedStanzas: 10, unconfirmedBytes: 1_000_000 })
    const ids = () => unconfirmed.stanzas().map(({ id }) => Number(id))
    for (const number of range(1, 10)) unconfirmed.add(numbered(number))
    expect(ids()).toEqual(range(1, 10))
    for (const number of range(11, 1_000)) unconfirmed.add(numbered(number))
    expect(ids()).toEqual(range(991, 1_000))
    unconfirmed.confirm(500)
    expect(ids()).toEqual(range(991, 1_000))
    unconfirmed.confirm(995)
    expect(ids()).toEqual(range(996, 1_000))
    unconfirmed.confirm(994)
    expect(unconfirmed.confirmed).toBe(995)
    unconfirmed.add(numbered(1_001))
    expect(ids()).toEqual(range(996, 1_001))
    unconfirmed.confirm(1_001)
    expect(ids()).toEqual([])
    unconfirmed.add(numbered(1_002))
    expect(ids()).toEqual([1_002])
  })

  it('is bounded in bytes', () => {
    const one = numbered(1, 1_000).bytes.length
    const unconfirmed = new Unconfirmed({ unconfirmedStanzas: 1_000, unconfirmedBytes: 5 * one })
    for (const number of range(1, 9)) unconfirmed.add(numbered(number, 1_000))
    expect(unconfirmed.stanzas().map(({ id }) => Number(id))).toEqual(range(5, 9))
    unconfirmed.add(numbered(10, 10_000))
    expect(unconfirmed.stanzas()).toEqual([])
    expect(unconfirmed.sent).toBe(10)
  })

  it('is told with what it does not hold', async () => {
    const limits = { unconfirmedStanzas: 3 }
    const against = await standingAgainst({ limits })
    for (const number of range(1, 5)) against.handler.standing.send(numbered(number))
    against.peer.cut()
    await turns()
    expect(against.handler.ends).toMatchObject([{ unconfirmedCount: 5 }])
    expect(against.handler.ends[0]?.unconfirmed.map(text)).toEqual(
      range(3, 5).map(number => text(numbered(number))),
    )
  })
})

/** On a wire of its own that has pings. */
function byPings(): Confirmation {
  return new Confirmation({
    transport: memoryTransportPair({ limits: defaultLimits }).initiating,
    limits: defaultLimits,
    clock: new VirtualClock(),
    request: () => {},
    onConfirmed: () => {},
  })
}

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  established,
  numbered,
  overTcp,
  range,
  standingAgainst,
  takenAgainst,
  text,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

/** A handler that works on each stanza until it is told to go on. */
function working() {
  const waiting: { readonly id: string; readonly done: () => void }[] = []
  return {
    waiting,
    react: ({ id }: { readonly id: string }) => new Promise<void>(done => waiting.push({ id, done })),
    async finish() {
      waiting.shift()?.done()
      await turns()
    },
  }
}

describe('a handler that works on a stanza', () => {
  for (const [name, wire] of [
    ['messages', {}],
    ['chunks', overTcp()],
    ['pieces', overTcp(() => 7)],
  ] as const) {
    it(`gets the next one afterwards, in order, over ${name}`, async () => {
      const { initiating, receiving } = await established({ wire })
      const { waiting, react, finish } = working()
      receiving.handler.react = react
      for (const number of range(1, 5)) initiating.handler.standing.send(numbered(number))
      await turns(2_000)
      for (const number of range(1, 5)) {
        expect(receiving.handler.numbers).toEqual(range(1, number))
        expect(waiting).toHaveLength(1)
        await finish()
        await turns(500)
      }
      expect(waiting).toEqual([])
    })
  }

  it('is told the end behind all that came before it', async () => {
    for (const wire of [{}, overTcp()]) {
      const { initiating, receiving } = await established({ wire })
      const { react, finish } = working()
      receiving.handler.react = react
      for (const number of range(1, 3)) initiating.handler.standing.send(numbered(number))
      initiating.session.end(null)
      await turns()
      expect(receiving.handler.numbers).toEqual([1])
      expect(receiving.handler.ends).toEqual([])
      for (let left = 3; left > 0; left--) await finish()
      expect(receiving.handler.numbers).toEqual([1, 2, 3])
      expect(receiving.handler.ends).toMatchObject([{ failure: null }])
      expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
    }
  })

  it('is told what came in one piece before the wire died, and then the end', async () => {
    const { initiating, receiving } = await established({ wire: overTcp() })
    const { react, finish } = working()
    receiving.handler.react = react
    initiating.transport.send(
      range(1, 3)
        .map(number => text(numbered(number)))
        .join(''),
    )
    await turns()
    initiating.transport.cut()
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toEqual([])
    for (let left = 3; left > 0; left--) await finish()
    expect(receiving.handler.numbers).toEqual([1, 2, 3])
    expect(receiving.handler.ends).toMatchObject([{ failure: { kind: 'closed' } }])
  })

  it('that never ends does not keep the session from being aborted', async () => {
    const { initiating, receiving } = await established({ wire: overTcp() })
    receiving.handler.react = working().react
    initiating.transport.send(
      range(1, 3)
        .map(number => text(numbered(number)))
        .join(''),
    )
    await turns()
    initiating.transport.cut()
    await turns()
    receiving.session.abort({ by: 'us', kind: 'shutdown', detail: '' })
    expect(receiving.handler.ends).toEqual([])
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toHaveLength(1)
  })

  it('has not read what its peer asks about', async () => {
    const { initiating, receiving, clock } = await established()
    const { react } = working()
    receiving.handler.react = react
    for (const number of range(1, 3)) initiating.handler.standing.send(numbered(number))
    await clock.pass(10 * defaultLimits.confirmMs, defaultLimits.confirmMs)
    initiating.transport.cut()
    await turns()
    expect(initiating.handler.unconfirmed).toEqual([1, 2, 3])
  })
})

describe('a peer that writes much', () => {
  const limits = { inboundBytesPerSecond: 4_000, inboundBurstBytes: 50_000 }

  it('has its burst, then the rate; nothing is dropped, and order is kept', async () => {
    for (const wire of [{}, overTcp(() => 1_024)]) {
      const { initiating, receiving, clock } = await established({ limits, wire })
      const size = numbered(100, 900).bytes.length
      for (const number of range(100, 299)) initiating.handler.standing.send(numbered(number, 900))
      await turns(500)
      const burst = receiving.handler.stanzas.length
      expect(burst * size).toBeGreaterThan(limits.inboundBurstBytes - 5_000)
      expect(burst * size).toBeLessThan(limits.inboundBurstBytes + 2 * size)
      await clock.pass(5_000, 50)
      const later = receiving.handler.stanzas.length - burst
      expect(later * size).toBeGreaterThan(5 * limits.inboundBytesPerSecond * 0.9)
      expect(later * size).toBeLessThan(5 * limits.inboundBytesPerSecond * 1.1)
      await clock.pass(60_000, 100)
      expect(receiving.handler.numbers).toEqual(range(100, 299))
      expect(receiving.handler.ends).toEqual([])
    }
  })

  it('earns no more than its burst by being quiet', async () => {
    const { initiating, receiving, clock } = await established({ limits })
    await clock.pass(3_600_000, 10_000)
    const size = numbered(100, 900).bytes.length
    for (const number of range(100, 299)) initiating.handler.standing.send(numbered(number, 900))
    await turns(500)
    expect(receiving.handler.stanzas.length * size).toBeLessThan(limits.inboundBurstBytes + 2 * size)
  })

  it('waits for both, its rate and the handler', async () => {
    const { initiating, receiving, clock } = await established({
      limits: { ...limits, inboundBurstBytes: 3_000 },
    })
    const { react, finish } = working()
    receiving.handler.react = react
    for (const number of [1, 2]) initiating.handler.standing.send(numbered(number, 9_000))
    await turns()
    await finish()
    expect(receiving.handler.numbers).toEqual([1])
    await clock.pass(3_000, 100)
    expect(receiving.handler.numbers).toEqual([1, 2])
    initiating.handler.standing.send(numbered(3))
    await clock.pass(10_000, 100)
    expect(receiving.handler.numbers).toEqual([1, 2])
    await finish()
    expect(receiving.handler.numbers).toEqual([1, 2, 3])
  })

  it('leaves no timer behind when it goes in the middle', async () => {
    const { initiating, receiving, clock } = await established({ limits })
    for (const number of range(100, 299)) initiating.handler.standing.send(numbered(number, 900))
    await turns(500)
    initiating.transport.cut()
    await turns()
    expect(receiving.handler.ends).toHaveLength(1)
    expect(clock.pending()).toBe(0)
  })
})

describe('a peer that reads slowly', () => {
  const limits = { sendHighWaterBytes: 10_000, sendMaxBytes: 40_000 }

  it('stops its source at the high-water mark, and is told when it may go on', async () => {
    const against = await standingAgainst({ limits })
    against.peer.pause()
    let sent = 0
    while (against.handler.standing.send(numbered(sent, 900))) sent += 1
    expect(against.transport.bufferedBytes()).toBeGreaterThan(limits.sendHighWaterBytes)
    expect(against.transport.bufferedBytes()).toBeLessThan(limits.sendHighWaterBytes + 2_000)
    expect(against.handler.drains).toBe(0)
    against.peer.resume()
    await turns(50)
    expect(against.handler.drains).toBe(1)
    expect(against.handler.standing.send(numbered(1))).toBe(true)
  })

  it('never costs more than the largest buffer and one stanza, even where its source does not stop', async () => {
    const against = await standingAgainst({ limits })
    against.peer.pause()
    const stanza = numbered(1, 900)
    for (let n = 0; n < 1_000; n++) against.handler.standing.send(stanza)
    expect(against.transport.bufferedBytes()).toBeLessThanOrEqual(limits.sendMaxBytes + stanza.bytes.length)
    expect(against.handler.ends).toEqual([])
    await turns()
    expect(against.handler.ends).toMatchObject([
      { failure: { by: 'us', kind: 'overload' }, unconfirmedCount: 1_000 },
    ])
    expect(against.clock.pending()).toBe(0)
  })

  it('has ended when it has taken nothing for too long, though it speaks', async () => {
    const against = await standingAgainst({ limits })
    against.peer.pause()
    while (against.handler.standing.send(numbered(1, 900)));
    for (let spentMs = 0; spentMs < defaultLimits.sendMaxMs - 1_000; spentMs += 1_000) {
      against.peer.ping(1)
      await against.clock.pass(1_000)
    }
    expect(against.handler.ends).toEqual([])
    against.peer.ping(1)
    await against.clock.pass(1_000)
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
    expect(against.handler.drains).toBe(0)
    expect(against.clock.pending()).toBe(0)
  })

  it('is gone too where it stops taking anything only then', async () => {
    const against = await standingAgainst({ limits: { ...limits, sendHighWaterBytes: 30_000 } })
    against.peer.pause()
    while (against.handler.standing.send(numbered(1, 900)));
    against.seen.react = () => against.peer.pause()
    against.peer.resume()
    for (let spentMs = 0; spentMs < 2.5 * defaultLimits.sendMaxMs; spentMs += 10_000) {
      against.peer.ping(1)
      await against.clock.pass(10_000)
    }
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
  })

  it('is watched anew each time that its buffer fills', async () => {
    const against = await standingAgainst({ limits })
    for (let round = 0; round < 2; round++) {
      against.peer.pause()
      while (against.handler.standing.send(numbered(1, 900)));
      for (let spentMs = 0; spentMs < defaultLimits.sendMaxMs - 10_000; spentMs += 10_000) {
        against.peer.ping(1)
        await against.clock.pass(10_000)
      }
      expect(against.handler.ends).toEqual([])
      against.peer.resume()
      await turns(50)
    }
  })

  it('is not asked for more once the stream is closed', async () => {
    const against = await standingAgainst({ limits })
    against.peer.pause()
    while (against.handler.standing.send(numbered(1, 900)));
    against.session.end(null)
    against.peer.resume()
    await turns(50)
    expect(against.handler.drains).toBe(0)
  })

  it('lives as long as it takes something', async () => {
    const against = await standingAgainst({ limits: { ...limits, sendHighWaterBytes: 30_000 } })
    against.peer.pause()
    while (against.handler.standing.send(numbered(1, 900)));
    against.seen.react = () => against.peer.pause()
    for (let minute = 0; minute < 10; minute++) {
      // One stanza a minute.
      against.peer.resume()
      for (let part = 0; part < 6; part++) {
        against.peer.ping(1)
        await against.clock.pass(defaultLimits.sendMaxMs / 6, 5_000)
      }
    }
    expect(against.handler.ends).toEqual([])
  })

  it('delays the end by no more than the deadlines', async () => {
    const against = await standingAgainst({ limits })
    against.peer.pause()
    while (against.handler.standing.send(numbered(1, 900)));
    against.session.end(null)
    await against.clock.pass(2 * defaultLimits.closeMs)
    expect(against.handler.ends).toHaveLength(1)
    expect(against.clock.pending()).toBe(0)
  })
})

describe('a peer that makes us write', () => {
  it('and reads nothing, is left before it costs more than a slow reader', async () => {
    const against = await takenAgainst()
    against.peer.pause()
    const request = `<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example'>k</db:result>`
    let mostBytes = 0
    for (let round = 0; round < 200 && against.handler.ends.length === 0; round++) {
      for (let n = 0; n < 100; n++) against.peer.send(request)
      await turns(120)
      mostBytes = Math.max(mostBytes, against.transport.bufferedBytes())
    }
    expect(mostBytes).toBeGreaterThan(defaultLimits.sendHighWaterBytes)
    expect(mostBytes).toBeLessThan(defaultLimits.sendMaxBytes + 1_000)
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'us', kind: 'overload' } }])
  })
})

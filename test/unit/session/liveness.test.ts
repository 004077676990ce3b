import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { established, numbered, overTcp, standingAgainst, takenAgainst } from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

const { pingIntervalMs, deadMs } = defaultLimits

describe('an idle stream', () => {
  it('lives on for as long as both answer, pinged by each at the interval', async () => {
    const { initiating, receiving, clock } = await established()
    const pings = { initiating: 0, receiving: 0 }
    for (const role of ['initiating', 'receiving'] as const) {
      const { transport } = role === 'initiating' ? initiating : receiving
      const ping = transport.ping.bind(transport)
      transport.ping = id => {
        pings[role] += 1
        return ping(id)
      }
    }
    await clock.pass(4 * pingIntervalMs, 500)
    expect(pings).toEqual({ initiating: 4, receiving: 4 })
    await clock.pass(3_600_000, 5_000)
    expect(initiating.handler.ends).toEqual([])
    expect(receiving.handler.ends).toEqual([])
  })

  it('carries no text at all', async () => {
    const against = await standingAgainst()
    const before = against.seen.messages.length
    await against.clock.pass(600_000, 5_000)
    expect(against.seen.messages).toHaveLength(before)
    expect(against.seen.activities).toBeGreaterThan(20)
  })

  it('is pinged with jitter', async () => {
    for (const [unit, firstMs] of [
      [0, defaultLimits.pingIntervalMs - defaultLimits.pingJitterMs],
      [0.5, defaultLimits.pingIntervalMs],
      [1, defaultLimits.pingIntervalMs + defaultLimits.pingJitterMs],
    ] as const) {
      const against = await standingAgainst({ random: unit })
      const before = against.seen.activities
      await against.clock.pass(firstMs - 1)
      expect(against.seen.activities).toBe(before)
      await against.clock.pass(1)
      expect(against.seen.activities).toBe(before + 1)
    }
  })

  it('over a wire without pings lives on in silence', async () => {
    const { initiating, receiving, clock } = await established({ wire: overTcp() })
    await clock.pass(3_600_000, 10_000)
    initiating.handler.standing.send(numbered(1))
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
  })
})

describe('a peer of which nothing is heard', () => {
  it('is dead after the deadline: ended without a word', async () => {
    for (const make of [standingAgainst, takenAgainst]) {
      const against = await make()
      const before = against.seen.messages.length
      // It reads, and its wire answers nothing.
      against.peer.pause()
      await against.clock.pass(deadMs - 1, 500)
      expect(against.handler.ends).toEqual([])
      await against.clock.pass(1)
      expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
      expect(against.seen.messages).toHaveLength(before)
      expect(against.clock.pending()).toBe(0)
    }
  })

  it('is alive by any byte: pings and pongs are enough', async () => {
    const against = await takenAgainst()
    // It answers nothing, and still pings.
    against.peer.pause()
    for (let minute = 0; minute < 30; minute++) {
      against.peer.ping(1)
      await against.clock.pass(deadMs - 1, 10_000)
    }
    expect(against.handler.ends).toEqual([])
  })

  it('is not dead while we do not listen', async () => {
    const against = await takenAgainst()
    let done = () => {}
    against.handler.react = () =>
      new Promise(resolve => {
        done = resolve
      })
    against.peer.send(numbered(1).bytes)
    await turns()
    // From now on it answers nothing.
    against.peer.pause()
    await against.clock.pass(10 * deadMs + 20_000, 5_000)
    expect(against.handler.ends).toEqual([])
    done()
    await turns()
    await against.clock.pass(deadMs - 1, 500)
    expect(against.handler.ends).toEqual([])
    await against.clock.pass(1)
    expect(against.handler.ends).toHaveLength(1)
  })
})

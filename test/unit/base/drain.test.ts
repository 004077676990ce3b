import { describe, expect, it } from 'vitest'
import { spread, within } from '../../../src/base/drain.ts'
import { VirtualClock } from '../../kit/clock.ts'

const settle = async () => {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve()
}

describe('spread', () => {
  it('starts the first at once, the others evenly, and waits for all', async () => {
    const clock = new VirtualClock()
    const started: [string, number][] = []
    const ends: (() => void)[] = []
    let over = false
    const all = spread(
      ['a', 'b', 'c', 'd'],
      item => {
        started.push([item, clock.monotonicMs()])
        return new Promise(resolve => ends.push(resolve))
      },
      400,
      clock,
    ).then(() => {
      over = true
    })
    clock.advance(1_000)
    expect(started).toEqual([
      ['a', 0],
      ['b', 100],
      ['c', 200],
      ['d', 300],
    ])
    for (const end of ends.slice(1)) end()
    await settle()
    expect(over).toBe(false)
    ends[0]?.()
    await all
    expect(clock.pending()).toBe(0)
  })

  it('of nothing is over', async () => {
    await spread([], () => Promise.reject(new Error('nothing to end')), 100, new VirtualClock())
  })
})

describe('within', () => {
  it('says whether it settled in time, and leaves no timer behind', async () => {
    const clock = new VirtualClock()
    expect(await within(Promise.resolve(), 100, clock)).toBe(true)
    expect(await within(Promise.reject(new Error('settled all the same')), 100, clock)).toBe(true)
    expect(clock.pending()).toBe(0)
    const late = within(new Promise(() => {}), 100, clock)
    clock.advance(100)
    expect(await late).toBe(false)
  })
})

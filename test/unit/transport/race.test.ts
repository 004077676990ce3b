import { describe, expect, it } from 'vitest'
import { race } from '../../../src/transport/index.ts'
import { VirtualClock } from '../../kit/clock.ts'

interface Tried {
  readonly item: string
  readonly signal: AbortSignal
  readonly end: (result: Result) => void
}
interface Result {
  readonly ok: boolean
  readonly item: string
  readonly discard?: () => void
}

function contest(items: readonly string[], signal = new AbortController().signal) {
  const clock = new VirtualClock()
  const tried: Tried[] = []
  const result = race<string, Result>(items, {
    attempt: (item, aborted) => new Promise(resolve => tried.push({ item, signal: aborted, end: resolve })),
    staggerMs: 250,
    clock,
    signal,
  })
  const names = () => tried.map(({ item }) => item)
  const end = async (item: string, ok: boolean, discard?: () => void) => {
    tried.find(one => one.item === item)?.end({ ok, item, ...(discard ? { discard } : {}) })
    await Promise.resolve()
    await Promise.resolve()
  }
  return { clock, tried, result, names, end }
}

describe('a race of addresses', () => {
  it('goes on at once to the next when one fails', async () => {
    const { names, end, result } = contest(['a', 'b'])
    expect(names()).toEqual(['a'])
    await end('a', false)
    expect(names()).toEqual(['a', 'b'])
    await end('b', true)
    expect(await result).toMatchObject({ won: { item: 'b' }, lost: [{ item: 'a' }] })
  })

  it('tries the next beside one that hangs, and ends the losers', async () => {
    const { clock, names, end, result, tried } = contest(['a', 'b', 'c'])
    clock.advance(249)
    expect(names()).toEqual(['a'])
    clock.advance(1)
    expect(names()).toEqual(['a', 'b'])
    await end('b', true)
    expect((await result).won?.item).toBe('b')
    expect(tried[0]?.signal.aborted).toBe(true)
    clock.advance(1_000)
    expect(names()).toEqual(['a', 'b'])
    expect(clock.pending()).toBe(0)
  })

  it('discards who wins too late', async () => {
    const { clock, end, result } = contest(['a', 'b'])
    clock.advance(250)
    await end('b', true)
    await result
    let discarded = false
    await end('a', true, () => {
      discarded = true
    })
    expect(discarded).toBe(true)
  })

  it('gives all failures where nobody wins', async () => {
    const { clock, end, result } = contest(['a', 'b'])
    clock.advance(250)
    await end('b', false)
    await end('a', false)
    const { won, lost } = await result
    expect(won).toBeNull()
    expect(lost.map(({ item }) => item)).toEqual(['b', 'a'])
  })

  it('hands the caller’s abort on, and knows of nothing to try', async () => {
    const caller = new AbortController()
    const { tried } = contest(['a'], caller.signal)
    caller.abort()
    expect(tried[0]?.signal.aborted).toBe(true)
    expect(await contest([]).result).toEqual({ won: null, lost: [] })
  })
})

import { expect, it } from 'vitest'
import { Watch } from '../../../src/front/watch.ts'
import { VirtualClock } from '../../kit/clock.ts'

it('a deadline is one, whatever was set before', () => {
  const clock = new VirtualClock()
  const watch = new Watch(clock)
  const log: string[] = []
  watch.deadline(10, () => log.push('first'))
  watch.deadline(20, () => log.push('second'))
  clock.advance(19)
  expect(log).toEqual([])
  clock.advance(1)
  expect(log).toEqual(['second'])
  watch.deadline(10, () => log.push('third'))
  watch.stop()
  watch.stop()
  clock.advance(100)
  expect(log).toEqual(['second'])
  expect(clock.pending()).toBe(0)
})

it('patience ends when nothing has moved for as long as it lasts, or up to a quarter longer', () => {
  for (const [moveAtMs, endsAtMs] of [
    [0, 100],
    [1, 125],
    [25, 150],
    [99, 200],
  ] as const) {
    const clock = new VirtualClock()
    const watch = new Watch(clock)
    let position = 0
    let endedAtMs = 0
    watch.patience(
      100,
      () => position,
      () => {
        endedAtMs = clock.monotonicMs()
      },
    )
    clock.advance(moveAtMs)
    if (moveAtMs > 0) position += 1
    clock.advance(1_000)
    expect(endedAtMs, `moved at ${moveAtMs}`).toBe(endsAtMs)
    expect(clock.pending()).toBe(0)
  }
})

it('patience has no end while something moves', () => {
  const clock = new VirtualClock()
  const watch = new Watch(clock)
  let ended = false
  watch.patience(
    100,
    () => Math.floor(clock.monotonicMs() / 90),
    () => {
      ended = true
    },
  )
  clock.advance(10_000)
  expect(ended).toBe(false)
  watch.stop()
  expect(clock.pending()).toBe(0)
})

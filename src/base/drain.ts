import type { Clock } from './clock.ts'

/** Start `end` for each item, evenly over `staggerMs`, and wait for all of them. */
export function spread<T>(
  items: readonly T[],
  end: (item: T) => Promise<void>,
  staggerMs: number,
  clock: Clock,
): Promise<void> {
  const ended = items.map(
    (item, index) =>
      new Promise<void>((resolve, reject) => {
        const start = () => {
          end(item).then(resolve, reject)
        }
        const afterMs = (index * staggerMs) / items.length
        if (afterMs === 0) start()
        else clock.setTimer(afterMs, start)
      }),
  )
  return Promise.all(ended).then(() => {})
}

/** Wait for `promise`, but not longer than `deadlineMs`. @returns whether it has settled */
export async function within(promise: Promise<unknown>, deadlineMs: number, clock: Clock): Promise<boolean> {
  return new Promise(resolve => {
    const timer = clock.setTimer(deadlineMs, () => resolve(false))
    const done = () => {
      timer.cancel()
      resolve(true)
    }
    promise.then(done, done)
  })
}

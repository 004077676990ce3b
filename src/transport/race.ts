import type { Clock } from '../base/index.ts'

export interface Contest<T, A> {
  /** Try one item; a rejection is a defect and ends the contest. `signal` is aborted once another has won or the caller gives up. */
  readonly attempt: (item: T, signal: AbortSignal) => Promise<A>
  readonly staggerMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

interface Attempted {
  readonly ok: boolean
  /** it won too late */
  readonly discard?: () => void
}

/**
 * RFC 8305 §5: start with the first; go on to the next when it fails, or beside it after `staggerMs`. The first success
 * ends the others.
 * @returns the success, or what each gave, in the order in which they failed
 */
export function race<T, A extends Attempted>(
  items: readonly T[],
  contest: Contest<T, A>,
): Promise<{ readonly won: A | null; readonly lost: readonly A[] }> {
  const { attempt, staggerMs, clock, signal } = contest
  return new Promise((resolve, reject) => {
    const others = new AbortController()
    const onAbort = () => others.abort()
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    const lost: A[] = []
    let next = 0
    let settled = false
    let timer = clock.setTimer(0, () => {})

    const end = () => {
      settled = true
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      others.abort()
    }
    const finish = (won: A | null) => {
      end()
      resolve({ won, lost })
    }
    const fail = (defect: unknown) => {
      end()
      reject(defect)
    }
    const start = () => {
      timer.cancel()
      const item = items[next]
      if (item === undefined) {
        if (lost.length === items.length) finish(null)
        return
      }
      next += 1
      if (next < items.length) timer = clock.setTimer(staggerMs, start)
      attempt(item, others.signal).then(result => {
        if (settled) {
          result.discard?.()
          return
        }
        if (result.ok) {
          finish(result)
          return
        }
        lost.push(result)
        start()
      }, fail)
    }
    start()
  })
}

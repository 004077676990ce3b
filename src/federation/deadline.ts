import type { Clock } from '../base/index.ts'

export interface Deadline {
  /** aborted with the given one, and when time is up */
  readonly signal: AbortSignal
  readonly expired: boolean
  /** Must be called in the end. */
  release(): void
}

/** A signal that also has an end in time. */
export function deadline(afterMs: number, signal: AbortSignal, clock: Clock): Deadline {
  const controller = new AbortController()
  let expired = false
  const onAbort = () => controller.abort(signal.reason)
  const timer = clock.setTimer(afterMs, () => {
    expired = true
    controller.abort()
  })
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  return {
    signal: controller.signal,
    get expired() {
      return expired
    },
    release() {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
    },
  }
}

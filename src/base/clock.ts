/** A source of time. Pure rooms take times as arguments; the rooms below the line take a Clock. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. For certificates, logs and delay stamps only: it may step. */
  wallMs(): number
  /** Milliseconds since an arbitrary start; never steps. For every duration and deadline. */
  monotonicMs(): number
  /** Run `action` once after `afterMs`. The timer does not keep the process alive. */
  setTimer(afterMs: number, action: () => void): Timer
}

export interface Timer {
  /** Idempotent. */
  cancel(): void
}

import type { Clock, Timer } from '../base/index.ts'
import type { StreamTimer } from '../stream/index.ts'

/** The timers of a stream, by name: each is armed at most once. */
export class Timers {
  readonly #clock: Clock
  readonly #onTimeout: (timer: StreamTimer) => void
  readonly #armed = new Map<StreamTimer, Timer>()

  constructor(clock: Clock, onTimeout: (timer: StreamTimer) => void) {
    this.#clock = clock
    this.#onTimeout = onTimeout
  }

  /** @param afterMs null disarms */
  set(timer: StreamTimer, afterMs: number | null): void {
    this.#armed.get(timer)?.cancel()
    this.#armed.delete(timer)
    if (afterMs === null) return
    const armed = this.#clock.setTimer(afterMs, () => {
      this.#armed.delete(timer)
      this.#onTimeout(timer)
    })
    this.#armed.set(timer, armed)
  }

  stop(): void {
    for (const armed of this.#armed.values()) armed.cancel()
    this.#armed.clear()
  }
}

import type { Clock, Timer } from '../base/index.ts'

/** One deadline at a time; or patience, which anything that moves renews. */
export class Watch {
  readonly #clock: Clock
  #timer: Timer | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Instead of what was set before. */
  deadline(afterMs: number, action: () => void): void {
    this.stop()
    this.#timer = this.#clock.setTimer(afterMs, action)
  }

  /**
   * Call `action` where `position` has stayed the same for `forMs`, or up to a quarter longer: it is asked now and then,
   * because to be told of every chunk would cost more. Instead of what was set before.
   */
  patience(forMs: number, position: () => number, action: () => void): void {
    let at = position()
    let still = 0
    const look = () => {
      const now = position()
      still = now === at ? still + 1 : 0
      at = now
      if (still >= LOOKS) action()
      else this.deadline(forMs / LOOKS, look)
    }
    this.deadline(forMs / LOOKS, look)
  }

  /** Idempotent. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}

const LOOKS = 4

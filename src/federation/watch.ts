import type { Clock, Limits, Random, Timer } from '../base/index.ts'
import type { Live } from './live.ts'

export type WatchLimits = Pick<Limits, 'outboundIdleMs' | 'maxStreamAgeMs'>

export interface WatchOptions {
  readonly live: Live
  readonly limits: WatchLimits
  readonly clock: Clock
  readonly random: Random
  /** nobody has used it for a while, and nothing is under way (ST-22) */
  readonly onQuiet: (live: Live) => void
  readonly onAged: (live: Live) => void
}

/** Looks after a stream that we have opened: whether it is used, and how old it is. */
export class Watch {
  readonly #options: WatchOptions
  #idle: Timer
  readonly #age: Timer | null

  constructor(options: WatchOptions) {
    this.#options = options
    const { live, limits, clock, random, onAged } = options
    this.#idle = this.#lookLater()
    const ageMs = limits.maxStreamAgeMs * (1 - AGE_JITTER * random.unit())
    this.#age =
      ageMs === 0
        ? null
        : clock.setTimer(ageMs, () => {
            live.aged = true
            onAged(live)
          })
  }

  stop(): void {
    this.#idle.cancel()
    this.#age?.cancel()
  }

  #lookLater(): Timer {
    const { live, limits, clock, onQuiet } = this.#options
    return clock.setTimer(limits.outboundIdleMs, () => {
      live.settle()
      const isQuiet = !live.used && live.held === 0
      live.used = false
      this.#idle = this.#lookLater()
      if (isQuiet) onQuiet(live)
    })
  }
}

/** Not all streams of a platform move at once. */
const AGE_JITTER = 0.2

import type { Limits, Random } from '../base/index.ts'
import type { Failure } from '../xmpp/index.ts'

export type BackoffLimits = Pick<Limits, 'retryMinMs' | 'retryMaxMs' | 'retryAfterMaxMs'>

/** How long to wait before the next dial (ST-21): exponential, truncated, with full jitter. */
export class Backoff {
  readonly #limits: BackoffLimits
  readonly #random: Random
  #failures = 0

  constructor(limits: BackoffLimits, random: Random) {
    this.#limits = limits
    this.#random = random
  }

  get failures(): number {
    return this.#failures
  }

  /** A stream lasted. */
  reset(): void {
    this.#failures = 0
  }

  /** One more failure: how long to wait, in milliseconds. What the peer asked for by Retry-After is waited at least. */
  next(failure: Failure | null): number {
    const { retryMinMs, retryMaxMs, retryAfterMaxMs } = this.#limits
    const ceilingMs = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures)
    this.#failures += 1
    const jitteredMs = this.#random.unit() * ceilingMs
    if (failure?.by !== 'network' || failure.retryAfterMs === undefined) return jitteredMs
    return Math.max(jitteredMs, Math.min(failure.retryAfterMs, retryAfterMaxMs))
  }
}

import type { Limits, Random } from '../base/index.ts'
import type { Failure } from '../xmpp/index.ts'

export type BackoffLimits = Pick<Limits, 'retryMinMs' | 'retryMaxMs' | 'retryAfterMaxMs'>

/**
 * How long to wait before the next dial (ST-21): exponential, truncated, with full jitter. A stream that was lost is
 * dialled again at once, but once only until one has lasted again.
 */
export class Backoff {
  readonly #limits: BackoffLimits
  readonly #random: Random
  #failures = 0
  #hasRetried = false

  constructor(limits: BackoffLimits, random: Random) {
    this.#limits = limits
    this.#random = random
  }

  /** nothing to remember */
  get isFresh(): boolean {
    return this.#failures === 0 && !this.#hasRetried
  }

  /** A stream lasted, or ended as planned. */
  reset(): void {
    this.#failures = 0
    this.#hasRetried = false
  }

  /** A stream was lost. @returns whether to dial at once; it is said once */
  retriesAtOnce(): boolean {
    const isFirst = this.isFresh
    this.#hasRetried = true
    return isFirst
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

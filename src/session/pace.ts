import type { Clock, Limits } from '../base/index.ts'
import type { Failure } from '../xmpp/index.ts'

/**
 * How long one element takes to arrive on a wire of bytes. A wire of messages keeps that deadline by itself, and whole
 * messages never start it here.
 */
export class Pace {
  readonly #limits: Pick<Limits, 'messageMs'>
  readonly #clock: Clock
  /** since when an element is under way; null: none */
  #sinceMs: number | null = null

  constructor(limits: Pick<Limits, 'messageMs'>, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** A piece has come, and so many frames were whole with it. */
  took(bytes: Uint8Array, frames: number): void {
    if (frames > 0) this.#sinceMs = null
    else if (this.#sinceMs === null && !bytes.every(isSpace)) this.#sinceMs = this.#clock.monotonicMs()
  }

  /** We read again: waiting for us must not count as the peer's dribbling. */
  resume(): void {
    if (this.#sinceMs !== null) this.#sinceMs = this.#clock.monotonicMs()
  }

  fault(): Failure | null {
    if (this.#sinceMs === null || this.#clock.monotonicMs() - this.#sinceMs <= this.#limits.messageMs)
      return null
    return TOO_SLOW
  }
}

const TOO_SLOW: Failure = {
  by: 'peer',
  kind: 'violation',
  condition: 'policy-violation',
  rule: 'SZ-25',
  detail: 'an element takes too long to arrive',
}

/** Space between elements keeps a stream over TCP alive (RFC 6120 §4.6.1). */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

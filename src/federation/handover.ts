import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Live } from './live.ts'

export interface HandoverOptions {
  readonly from: Live
  readonly to: Live
  readonly limits: Pick<Limits, 'handoverMs'>
  readonly clock: Clock
  /** `to` may be written to; or `from` again, as its peer has not confirmed what it was given */
  readonly onOver: (isDone: boolean) => void
}

/**
 * From one stream to the next, without any stanza overtaking another: nothing is written to either before the peer is
 * known to have read all that was written to the first.
 */
export class Handover {
  readonly from: Live
  readonly to: Live
  readonly #options: HandoverOptions
  #untilMs: number
  #timer: Timer | null = null

  constructor(options: HandoverOptions) {
    this.from = options.from
    this.to = options.to
    this.#options = options
    this.#untilMs = options.clock.monotonicMs() + options.limits.handoverMs
  }

  /** May be over in this turn. */
  start(): void {
    const { clock, limits, onOver } = this.#options
    const nowMs = clock.monotonicMs()
    this.from.settle()
    // A peer that reads slowly is waited for as long as the stream itself waits for it.
    if (this.from.blocked) this.#untilMs = nowMs + limits.handoverMs
    if (this.from.held === 0) onOver(true)
    else if (nowMs >= this.#untilMs) onOver(false)
    else this.#timer = clock.setTimer(LOOK_MS, () => this.start())
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}

/** Confirmations come some 200 ms after a stanza (confirm): a quarter of that is not felt. */
const LOOK_MS = 50

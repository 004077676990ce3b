import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Transport } from '../transport/index.ts'

export interface IntakeOptions {
  readonly transport: Transport
  readonly limits: Pick<Limits, 'inboundBytesPerSecond' | 'inboundBurstBytes'>
  readonly clock: Clock
  /** there may be a reason to read on; it asks `busy` itself */
  readonly onResume: () => void
}

/** When we read: not faster than the rate limit, and not while somebody works on what we have read. */
export class Intake {
  readonly #options: IntakeOptions
  /** bytes that may still come at once; below zero is a debt that waiting pays */
  #allowance: number
  #refilledMs: number
  /** taken since then */
  #sinceBytes = 0
  #timer: Timer | null = null
  /** somebody works on a stanza */
  #busy = false
  /** nothing is read until we are told */
  #frozen = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#allowance = options.limits.inboundBurstBytes
    this.#refilledMs = options.clock.monotonicMs()
  }

  get busy(): boolean {
    return this.#busy || this.#frozen
  }

  get paused(): boolean {
    return this.busy || this.#timer !== null
  }

  /** So much has been read. */
  took(bytes: number): void {
    // The clock is not read for each stanza of a chunk.
    this.#sinceBytes += bytes
    if (
      this.#sinceBytes < this.#options.limits.inboundBurstBytes / REFILLS &&
      this.#sinceBytes < this.#allowance
    )
      return
    this.#refill()
    this.#allowance -= this.#sinceBytes
    this.#sinceBytes = 0
    if (this.#allowance <= 0 && this.#timer === null) this.#rest()
  }

  hold(): void {
    this.#busy = true
    this.#options.transport.pause()
  }

  release(): void {
    this.#busy = false
    if (!this.#frozen && this.#timer === null) this.#options.onResume()
  }

  freeze(): void {
    this.#frozen = true
    this.#options.transport.pause()
  }

  thaw(): void {
    this.#frozen = false
    if (!this.#busy && this.#timer === null) this.#options.onResume()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #refill(): void {
    const { clock, limits } = this.#options
    const nowMs = clock.monotonicMs()
    const earned = ((nowMs - this.#refilledMs) * limits.inboundBytesPerSecond) / SECOND_MS
    this.#allowance = Math.min(limits.inboundBurstBytes, this.#allowance + earned)
    this.#refilledMs = nowMs
  }

  /** Until there is an allowance for REST_MS again, so that a fast peer costs few timers. */
  #rest(): void {
    const { transport, clock, limits } = this.#options
    transport.pause()
    const debtMs = (-this.#allowance * SECOND_MS) / limits.inboundBytesPerSecond
    this.#timer = clock.setTimer(debtMs + REST_MS, () => {
      this.#timer = null
      this.#options.onResume()
    })
  }
}

const SECOND_MS = 1_000
const REST_MS = 100
/** how often a burst looks at the clock, at least */
const REFILLS = 64

import type { Clock, Random, Timer } from '../../src/base/index.ts'

/** Time that passes only when told. */
export class VirtualClock implements Clock {
  #wallOffsetMs: number
  #nowMs = 0
  #order = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly order: number; readonly action: () => void }>()

  constructor(startWallMs = 1_800_000_000_000) {
    this.#wallOffsetMs = startWallMs
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimer(afterMs: number, action: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, afterMs), order: this.#order++, action }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** how many timers are armed */
  pending(): number {
    return this.#timers.size
  }

  /** Let `ms` pass: what falls due runs in its order, each at its own time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let due = this.#next(untilMs); due !== null; due = this.#next(untilMs)) {
      this.#timers.delete(due)
      this.#nowMs = due.atMs
      due.action()
    }
    this.#nowMs = untilMs
  }

  /** As `advance`, and lets everything else run between the steps. */
  async pass(ms: number, stepMs = 1_000): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      this.advance(Math.min(stepMs, leftMs))
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Somebody sets the wall clock. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  #next(untilMs: number) {
    let next: { readonly atMs: number; readonly order: number; readonly action: () => void } | null = null
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue
      const isBefore =
        next === null || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)
      if (isBefore) next = timer
    }
    return next
  }
}

/** Bytes that count up, and always the same `unit`: ids differ, jitter is what the test wants. */
export class FixedRandom implements Random {
  readonly #unit: number
  #count = 0

  constructor(unit = 0.5) {
    this.#unit = unit
  }

  bytes(length: number): Uint8Array {
    this.#count += 1
    const bytes = new Uint8Array(length)
    new DataView(bytes.buffer).setUint32(Math.max(0, length - 4), this.#count)
    return bytes
  }

  unit(): number {
    return this.#unit
  }
}

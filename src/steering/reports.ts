import type { Clock } from '../base/index.ts'

/** Troubles that come with each question, told once and then now and then. */
export class Reports {
  readonly #intervalMs: number
  readonly #clock: Clock
  readonly #told = new Map<string, { atMs: number; untold: number }>()

  constructor(intervalMs: number, clock: Clock) {
    this.#intervalMs = intervalMs
    this.#clock = clock
  }

  /**
   * @param trouble one of a small fixed set
   * @param tell called now, with the number since it was last called for this trouble; or not at all
   */
  note(trouble: string, tell: (count: number) => void): void {
    const nowMs = this.#clock.monotonicMs()
    const last = this.#told.get(trouble)
    if (last !== undefined && nowMs - last.atMs < this.#intervalMs) {
      last.untold += 1
      return
    }
    this.#told.set(trouble, { atMs: nowMs, untold: 0 })
    tell((last?.untold ?? 0) + 1)
  }
}

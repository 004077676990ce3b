import { Countdown } from '../countdown.ts'

/** Counts the pieces of a stream of bytes by their lengths, which it knows beforehand, and looks into none. */
export class Sink {
  readonly #lengths: readonly number[]
  readonly #countdown = new Countdown()
  /** of the piece under way */
  #bytes = 0
  #next = 0

  constructor(pieces: readonly Uint8Array[]) {
    this.#lengths = pieces.map(({ length }) => length)
  }

  took(bytes: number): void {
    this.#bytes += bytes
    for (;;) {
      const length = this.#lengths[this.#next] ?? 0
      if (this.#bytes < length) return
      this.#bytes -= length
      this.#next = (this.#next + 1) % this.#lengths.length
      this.#countdown.one()
    }
  }

  /** Resolves when so many more have come. */
  pieces(count: number): Promise<void> {
    return this.#countdown.wait(count)
  }
}

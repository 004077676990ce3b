import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Sends the same pieces over and over. They exist before they are sent, many of them in one write. */
export class Source {
  readonly #out: Writable
  readonly #pieces: readonly Buffer[]
  /** all of them */
  readonly #block: Buffer
  #next = 0

  constructor(out: Writable, pieces: readonly Buffer[]) {
    this.#out = out
    this.#pieces = pieces
    this.#block = Buffer.concat(pieces)
  }

  /** Resolves when the last one has been accepted. */
  async send(count: number): Promise<void> {
    let left = count
    while (left > 0) {
      const isBlock = this.#next === 0 && left >= this.#pieces.length
      left -= isBlock ? this.#pieces.length : 1
      if (!this.#out.write(isBlock ? this.#block : this.#piece())) await once(this.#out, 'drain')
    }
  }

  #piece(): Buffer {
    const piece = this.#pieces[this.#next]
    if (piece === undefined) throw new Error('nothing to send')
    this.#next = (this.#next + 1) % this.#pieces.length
    return piece
  }
}

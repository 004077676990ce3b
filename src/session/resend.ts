import type { Stanza } from '../xmpp/index.ts'

export interface ResendOptions {
  /** @returns false: above the high-water mark */
  readonly write: (stanza: Stanza) => boolean
}

/** What a stream that goes on here had written and its peer has not handled: written again, as fast as it is read (SM-08). */
export class Resend {
  readonly #write: (stanza: Stanza) => boolean
  /** oldest first, from `#next` on */
  #left: Stanza[] = NOTHING
  #next = 0

  constructor({ write }: ResendOptions) {
    this.#write = write
  }

  get isOver(): boolean {
    return this.#left === NOTHING
  }

  /** @returns whether all of it is written */
  start(stanzas: readonly Stanza[]): boolean {
    this.#left = [...stanzas]
    this.#next = 0
    return this.goOn()
  }

  /** There is room again. @returns whether all of it is written */
  goOn(): boolean {
    while (this.#next < this.#left.length) {
      const stanza = this.#left[this.#next] as Stanza
      this.#next += 1
      if (!this.#write(stanza)) break
    }
    if (this.#next < this.#left.length) return false
    this.stop()
    return true
  }

  /** One that comes now goes behind all that. */
  behind(stanza: Stanza): false {
    this.#left.push(stanza)
    return false
  }

  stop(): void {
    this.#left = NOTHING
    this.#next = 0
  }
}

const NOTHING: Stanza[] = []

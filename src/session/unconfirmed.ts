import type { Limits } from '../base/index.ts'
import type { Stanza } from '../xmpp/index.ts'

export type UnconfirmedLimits = Pick<Limits, 'unconfirmedStanzas' | 'unconfirmedBytes'>

/** Stanzas that were sent and that nothing confirms yet: all are counted, the newest remembered. */
export class Unconfirmed {
  /** how many were ever added */
  sent = 0
  /** how many of those are confirmed */
  confirmed = 0
  readonly #limits: UnconfirmedLimits
  /** the newest, from `#first` on */
  #held: (Stanza | undefined)[] = []
  #first = 0
  #bytes = 0

  constructor(limits: UnconfirmedLimits) {
    this.#limits = limits
  }

  add(stanza: Stanza): void {
    this.sent += 1
    this.#held.push(stanza)
    this.#bytes += stanza.bytes.length
    const { unconfirmedStanzas, unconfirmedBytes } = this.#limits
    while (this.#count > unconfirmedStanzas || this.#bytes > unconfirmedBytes) this.#forgetOldest()
  }

  /** The first `count` of all are confirmed. */
  confirm(count: number): void {
    if (count <= this.confirmed) return
    this.confirmed = count
    while (this.#count > this.sent - count) this.#forgetOldest()
  }

  /** oldest first */
  stanzas(): readonly Stanza[] {
    return this.#held.slice(this.#first).filter(stanza => stanza !== undefined)
  }

  get #count(): number {
    return this.#held.length - this.#first
  }

  #forgetOldest(): void {
    this.#bytes -= this.#held[this.#first]?.bytes.length ?? 0
    this.#held[this.#first] = undefined
    this.#first += 1
    // Rarely, so that a stanza costs the same however many wait.
    if (this.#first === this.#held.length || this.#first > this.#limits.unconfirmedStanzas) {
      this.#held = this.#held.slice(this.#first)
      this.#first = 0
    }
  }
}

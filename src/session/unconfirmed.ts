import type { Limits } from '../base/index.ts'
import type { Stanza } from '../xmpp/index.ts'

export type UnconfirmedLimits = Pick<Limits, 'unconfirmedStanzas' | 'unconfirmedBytes'>

/**
 * Stanzas that were sent and that nothing confirms yet: all are counted, the newest remembered; or all, where whoever sends
 * stops when it is full.
 */
export class Unconfirmed {
  /** none is forgotten before it is confirmed */
  keepsAll = false
  /** how many were ever added */
  sent = 0
  /** how many of those are confirmed */
  confirmed = 0
  readonly #maxStanzas: number
  readonly #maxBytes: number
  /** a ring, of a power of two: on the path of every stanza nothing is moved or made anew */
  #ring: (Stanza | undefined)[] = []
  /** of each in the ring: an old stanza has left the processor's caches, and looking at it would wait for memory */
  #sizes: number[] = []
  /** of the oldest that is remembered */
  #first = 0
  #count = 0
  #bytes = 0

  constructor({ unconfirmedStanzas, unconfirmedBytes }: UnconfirmedLimits) {
    this.#maxStanzas = unconfirmedStanzas
    this.#maxBytes = unconfirmedBytes
  }

  add(stanza: Stanza): void {
    this.sent += 1
    if (this.#count === this.#ring.length) this.#grow()
    const at = (this.#first + this.#count) & (this.#ring.length - 1)
    const size = stanza.bytes.length
    this.#ring[at] = stanza
    this.#sizes[at] = size
    this.#count += 1
    this.#bytes += size
    if (this.keepsAll) return
    while (this.#count > this.#maxStanzas || this.#bytes > this.#maxBytes) this.#forgetOldest()
  }

  /** No more is to be sent now (DECISIONS 12). */
  get isFull(): boolean {
    return this.keepsAll && (this.#count >= this.#maxStanzas || this.#bytes >= this.#maxBytes)
  }

  /** Half of it is free: going on is worth while. */
  get hasRoom(): boolean {
    return !this.keepsAll || (2 * this.#count <= this.#maxStanzas && 2 * this.#bytes <= this.#maxBytes)
  }

  /** The first `count` of all are confirmed. */
  confirm(count: number): void {
    if (count <= this.confirmed) return
    this.confirmed = count
    while (this.#count > this.sent - count) this.#forgetOldest()
  }

  /** oldest first */
  stanzas(): readonly Stanza[] {
    return this.#inOrder().filter(stanza => stanza !== undefined)
  }

  #forgetOldest(): void {
    const at = this.#first
    this.#bytes -= this.#sizes[at] ?? 0
    this.#ring[at] = undefined
    this.#first = (at + 1) & (this.#ring.length - 1)
    this.#count -= 1
  }

  #grow(): void {
    const inOrder = this.#inOrder()
    const size = Math.max(RING_START, 2 * this.#ring.length)
    this.#ring = [...inOrder, ...new Array<undefined>(size - inOrder.length).fill(undefined)]
    this.#sizes = this.#ring.map(stanza => stanza?.bytes.length ?? 0)
    this.#first = 0
  }

  #inOrder(): (Stanza | undefined)[] {
    return Array.from(
      { length: this.#count },
      (_, index) => this.#ring[(this.#first + index) & (this.#ring.length - 1)],
    )
  }
}

const RING_START = 8

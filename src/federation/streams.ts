import type { Management } from '../session/index.ts'
import type { Live } from './live.ts'

/** All streams of one route: the one that is written to, and those that are still read, confirmed, or in reserve. */
export class Streams {
  /** oldest first */
  readonly #all: Live[] = []

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  add(live: Live): void {
    this.#all.push(live)
  }

  remove(live: Live): void {
    const at = this.#all.indexOf(live)
    if (at >= 0) this.#all.splice(at, 1)
  }

  /** The newest that could be written to; null: none can. */
  newest(): Live | null {
    return this.#all.findLast(live => live.isOpen) ?? null
  }

  /** the one that began with it, standing or not; null: there is none here */
  managedBy(management: Management): Live | null {
    return this.#all.find(live => live.management === management) ?? null
  }

  /** The newest but `live` that could be written to, and holds something; null: none does. */
  holding(live: Live): Live | null {
    return this.#all.findLast(other => other !== live && other.isOpen && other.held > 0) ?? null
  }

  /** those that we have opened */
  ours(): readonly Live[] {
    return this.#all.filter(live => live.isOurs)
  }

  /** written to any of them and without an outcome */
  held(): number {
    let held = 0
    for (const live of this.#all) held += live.held
    return held
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    for (const live of this.#all) live.settle()
  }
}

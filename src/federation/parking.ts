import type { Clock, Timer } from '../base/index.ts'
import type { Management } from '../session/index.ts'
import type { Failure } from '../xmpp/index.ts'
import type { Live } from './live.ts'

/** A stream that was lost and may go on on another one. */
export interface Parked {
  readonly live: Live
  readonly management: Management
  readonly failure: Failure | null
  /** wall clock: of what it holds nothing was sent later */
  readonly lostMs: number
}

/** Lost streams of one route, for as long as they can be resumed (SM-08). */
export class Parking {
  readonly #clock: Clock
  readonly #onOver: (parked: Parked) => void
  /** oldest first */
  readonly #all: { readonly parked: Parked; timer: Timer }[] = []

  /** @param onOver its time has passed, and it is not here any more */
  constructor(clock: Clock, onOver: (parked: Parked) => void) {
    this.#clock = clock
    this.#onOver = onOver
  }

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  add(live: Live, management: Management, failure: Failure | null): void {
    const parked = { live, management, failure, lostMs: this.#clock.wallMs() }
    this.#all.push({ parked, timer: this.#overAfter(management.maxMs, parked) })
  }

  /** Another stream waits for those that are here: they have so long. */
  hurry(ms: number): void {
    for (const entry of this.#all) {
      entry.timer.cancel()
      entry.timer = this.#overAfter(ms, entry.parked)
    }
  }

  /** The oldest that a stream of ours can resume; null: none. */
  ours(): Management | null {
    return this.#all.find(({ parked }) => parked.live.isOurs)?.parked.management ?? null
  }

  /** The one with this management, which leaves; null: it is not here. */
  take(management: Management): Parked | null {
    const at = this.#all.findIndex(({ parked }) => parked.management === management)
    return at < 0 ? null : this.#removed(at)
  }

  /** Those that `which` says, oldest first; they leave. */
  takeAll(which: (live: Live) => boolean): Parked[] {
    const taken = this.#all.filter(({ parked }) => which(parked.live))
    return taken.flatMap(({ parked }) => this.take(parked.management) ?? [])
  }

  #overAfter(ms: number, parked: Parked): Timer {
    return this.#clock.setTimer(ms, () => {
      this.take(parked.management)
      this.#onOver(parked)
    })
  }

  #removed(at: number): Parked | null {
    const [entry] = this.#all.splice(at, 1)
    entry?.timer.cancel()
    return entry?.parked ?? null
  }
}

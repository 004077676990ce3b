import type { Clock, Timer } from '../base/index.ts'
import type { EstablishedSession, Management } from '../session/index.ts'
import type { DomainPair } from '../xmpp/index.ts'

interface Entry {
  readonly management: Management
  /** that its stream has proven, also after it was lost */
  readonly pairs: readonly DomainPair[]
  /** the stream that it is on; null: that is lost */
  session: EstablishedSession | null
  /** since the loss */
  timer: Timer | null
}

/** What peers may resume of the streams that they opened: those that stand, perhaps only as far as we know, and lost ones. */
export class Resumable {
  readonly #clock: Clock
  /** lost ones of one pair that are kept, at most */
  readonly #maxLost: number
  /** by id, in the order in which they came to where they are */
  readonly #entries = new Map<string, Entry>()

  constructor(clock: Clock, maxLost: number) {
    this.#clock = clock
    this.#maxLost = maxLost
  }

  /**
   * Stream management is on there, perhaps resumed.
   * @param pairs of the stream; those that it proves later are seen, too
   */
  stands(session: EstablishedSession, pairs: readonly DomainPair[]): void {
    const { management } = session
    if (management === null || management.id === null) return
    this.#entries.get(management.id)?.timer?.cancel()
    this.#entries.set(management.id, { management, pairs, session, timer: null })
  }

  /** The stream is lost; for a while another one may go on. */
  lost(management: Management): void {
    const { id } = management
    const entry = id === null ? undefined : this.#entries.get(id)
    if (id === null || entry === undefined) return
    entry.session = null
    entry.timer = this.#clock.setTimer(management.maxMs, () => this.#forget(id))
    // The newest are last.
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    this.#bound(entry.pairs)
  }

  /** The stream has ended, and nothing goes on. */
  ended(session: EstablishedSession): void {
    const id = session.management?.id ?? null
    // Where another stream has it now, that one decides.
    if (id !== null && this.#entries.get(id)?.session === session) this.#forget(id)
  }

  /**
   * SM-08
   * @param pairs that the asking stream has proven: without all of the other's, what was for one would come to another
   */
  find(previd: string, pairs: readonly DomainPair[]): Management | null {
    const entry = this.#entries.get(previd)
    if (entry === undefined || entry.management.isOver || entry.session?.isClosing === true) return null
    return entry.pairs.every(pair => isAmong(pair, pairs)) ? entry.management : null
  }

  #bound(pairs: readonly DomainPair[]): void {
    const [first] = pairs
    if (first === undefined) return
    const lost = [...this.#entries].filter(
      ([, entry]) => entry.session === null && isAmong(first, entry.pairs.slice(0, 1)),
    )
    for (const [id] of lost.slice(0, -this.#maxLost)) this.#forget(id)
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id)
    entry?.timer?.cancel()
    this.#entries.delete(id)
  }
}

function isAmong({ local, remote }: DomainPair, pairs: readonly DomainPair[]): boolean {
  return pairs.some(pair => pair.local === local && pair.remote === remote)
}

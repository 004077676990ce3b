import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Stanza, StanzaError } from '../xmpp/index.ts'
import { type QueueLimits, type QueueTotal, StanzaQueue } from './queue.ts'

export type BacklogLimits = QueueLimits & Pick<Limits, 'queueAgeMs' | 'stanzaBytes'>

export interface BacklogOptions {
  readonly limits: BacklogLimits
  readonly clock: Clock
  readonly total: QueueTotal
  /** why a stanza is bounced that has waited too long, as things stand */
  readonly lateError: () => StanzaError
  readonly bounce: (stanza: Stanza, error: StanzaError) => void
  /** `count` stanzas were bounced, or refused, with `error` */
  readonly report: (error: StanzaError, count: number) => void
  /** stanzas have left by themselves */
  readonly onRoom: () => void
}

/** The queue of one route, with what makes stanzas leave it unsent: age and lack of room. */
export class Backlog {
  readonly #options: BacklogOptions
  readonly #queue: StanzaQueue
  #ageTimer: Timer | null = null
  /** refused since there last was room */
  #refused = 0
  #refusal: StanzaError | null = null

  constructor(options: BacklogOptions) {
    this.#options = options
    this.#queue = new StanzaQueue(options.limits, options.total)
  }

  get size(): number {
    return this.#queue.size
  }

  get crowded(): boolean {
    return this.#queue.crowded
  }

  /** Whether whoever can wait had better wait. See StanzaQueue.push for `spareBytes`. */
  isFull(spareBytes: number | null): boolean {
    return this.#refusal !== null || this.#queue.isFull(spareBytes)
  }

  /** Whether anything that comes next has room. */
  isRoomy(spareBytes: number | null): boolean {
    const { limits } = this.#options
    return this.#refusal === null && this.#queue.isRoomy(limits.stanzaBytes, spareBytes)
  }

  /** Takes the stanza, or says why not, which is `refusal`: one is reported at once, the rest when there is room again. */
  push(stanza: Stanza, spareBytes: number | null, refusal: () => StanzaError): StanzaError | null {
    if (this.#queue.push(stanza, this.#options.clock.monotonicMs(), spareBytes)) {
      this.#watched()
      return null
    }
    this.#refused += 1
    if (this.#refusal === null) {
      this.#refusal = refusal()
      this.#options.report(this.#refusal, 1)
    }
    return this.#refusal
  }

  /** Takes what stands for a stanza that has just left another queue: there is always room for that. */
  put(stanza: Stanza): void {
    this.#queue.put(stanza, this.#options.clock.monotonicMs())
    this.#watched()
  }

  /** Takes those back that were written to a stream that has ended, ahead of all. */
  unshift(stanzas: readonly Stanza[]): void {
    this.#queue.unshift(stanzas, this.#options.clock.monotonicMs())
    this.#watched()
  }

  shift(): Stanza | undefined {
    return this.#queue.shift()
  }

  /** Bounce everything, once each, with one condition. */
  bounceAll(error: StanzaError): void {
    const stanzas = this.#queue.takeAll()
    this.#bounce(stanzas, error)
  }

  /** There is room again: an episode of refusals is over. */
  roomMade(): void {
    if (this.#refusal !== null && this.#refused > 1) this.#options.report(this.#refusal, this.#refused - 1)
    this.#refused = 0
    this.#refusal = null
  }

  #watched(): void {
    if (this.#ageTimer === null) this.#watchAge()
  }

  /** One timer a queue, looked at again rather than armed for each stanza. */
  #watchAge(): void {
    const { clock, limits, onRoom } = this.#options
    const dueMs = this.#queue.oldestMs + limits.queueAgeMs
    this.#ageTimer = clock.setTimer(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#ageTimer = null
      const old = this.#takeOld()
      if (old.length > 0) this.#bounce(old, this.#options.lateError())
      if (this.#queue.size > 0) this.#watchAge()
      if (old.length > 0) onRoom()
    })
  }

  #takeOld(): Stanza[] {
    const { clock, limits } = this.#options
    const oldestAllowedMs = clock.monotonicMs() - limits.queueAgeMs
    const old: Stanza[] = []
    while (this.#queue.oldestMs <= oldestAllowedMs) {
      const stanza = this.shift()
      if (stanza !== undefined) old.push(stanza)
    }
    return old
  }

  #bounce(stanzas: readonly Stanza[], error: StanzaError): void {
    if (stanzas.length === 0) return
    this.#options.report(error, stanzas.length)
    for (const stanza of stanzas) this.#options.bounce(stanza, error)
  }
}

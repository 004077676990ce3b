import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Custody } from './custody.ts'

export interface AcksOptions {
  readonly custody: Custody
  readonly limits: Pick<Limits, 'ackStanzas' | 'ackMs'>
  readonly clock: Clock
  readonly tell: (taken: number) => void
}

/** When we tell a peer how much of what it has sent is taken: when asked, and unasked by count and time (SM-05). */
export class Acks {
  readonly #options: AcksOptions
  /** told last */
  #told: number
  /** it has asked, and what it was told was less than what it had sent */
  #owes = false
  #timer: Timer | null = null
  /** who waits until all is taken */
  #waiting: { readonly timer: Timer; readonly told: (() => void)[] } | null = null

  constructor(options: AcksOptions, told = 0) {
    this.#options = options
    this.#told = told
    options.custody.onTaken = () => this.#onTaken()
  }

  /** One more has come. The path of every stanza. */
  received(): void {
    const { custody, limits } = this.#options
    // Where others have to take it first, they are heard of (#onTaken).
    if (custody.received - this.#told >= limits.ackStanzas && !custody.isAwaiting)
      this.#tellOf(limits.ackStanzas)
    if (this.#timer === null && custody.received > this.#told) this.#tellLater()
  }

  /** The peer asks. */
  requested(): void {
    this.#tell(this.#options.custody.taken())
  }

  /** Whether all that has come is taken. */
  get isClear(): boolean {
    const { custody } = this.#options
    return custody.taken() === custody.received
  }

  /** The last word, ahead of our close. @returns false: somebody still has some of it, who may take it yet */
  last(): boolean {
    const { isClear } = this
    // Twice: the first may be taken for the answer to a question that we have not read any more (Confirmation.rest).
    this.requested()
    this.requested()
    this.stop()
    return isClear
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#waiting?.timer.cancel()
    this.#waiting = null
    this.#options.custody.onTaken = () => {}
  }

  /** `then` is called once: when all that has come is taken, or after `deadlineMs`; not after `stop`. */
  whenClear(deadlineMs: number, then: () => void): void {
    if (this.isClear) then()
    else if (this.#waiting !== null) this.#waiting.told.push(then)
    else {
      const timer = this.#options.clock.setTimer(deadlineMs, () => this.#over())
      this.#waiting = { timer, told: [then] }
    }
  }

  #over(): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.timer.cancel()
    for (const then of waiting?.told ?? []) then()
  }

  #onTaken(): void {
    if (this.#waiting !== null && this.isClear) this.#over()
    else this.#tellOf(this.#owes ? 1 : this.#options.limits.ackStanzas)
  }

  /** If there is as much news as that. */
  #tellOf(news: number): void {
    const taken = this.#options.custody.taken()
    if (taken - this.#told >= news) this.#tell(taken)
  }

  #tell(taken: number): void {
    const { custody, tell } = this.#options
    this.#told = taken
    this.#owes = taken < custody.received
    tell(taken)
  }

  #tellLater(): void {
    const { clock, limits, custody } = this.#options
    this.#timer = clock.setTimer(limits.ackMs, () => {
      this.#timer = null
      this.#tellOf(1)
      if (custody.received > this.#told) this.#tellLater()
    })
  }
}

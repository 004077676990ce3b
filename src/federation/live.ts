import type { Management } from '../session/index.ts'
import type { Failure, Stanza } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import type { OutboundSession } from './connect.ts'

/** A stream that stands, and what was given to it. */
export class Live {
  readonly session: OutboundSession
  readonly sinceMs: number
  /** We have opened it, and may end it. Else its peer has, which ends it when it likes (DECISIONS 22). */
  readonly isOurs: boolean
  /** null: no stream management */
  readonly management: Management | null
  /** it has no room */
  blocked: boolean
  /** of the stanza written last, with which it went above */
  lastBytes = 0
  /** since somebody last looked */
  used = true
  /** as old as a stream may become */
  aged = false
  /** how often in a row it, and those that go on here, were lost before the peer had confirmed anything */
  losses = 0
  readonly #account: Account
  #written: number
  /** of those written, counted as delivered */
  #counted = 0
  #leaving = false

  constructor(session: OutboundSession, sinceMs: number, account: Account, isOurs: boolean) {
    this.session = session
    this.sinceMs = sinceMs
    this.isOurs = isOurs
    this.#account = account
    this.management = session.management
    this.blocked = session.isFull
    this.#written = session.carried
  }

  /** What is written to it now goes to the peer. */
  get isOpen(): boolean {
    return !this.#leaving && !this.session.isClosing
  }

  /** written and without an outcome */
  get held(): number {
    return this.#written - this.#counted
  }

  /** the peer has confirmed something */
  get isOfUse(): boolean {
    return this.#counted > 0
  }

  write(stanza: Stanza): void {
    const hasRoom = this.session.send(stanza)
    this.#written += 1
    this.used = true
    this.lastBytes = stanza.bytes.length
    if (!hasRoom) this.blocked = true
  }

  /** Ours only: in order, with the stream error of `failure`. What the peer has sent until its own close is read. */
  end(failure: Failure | null): void {
    if (this.#leaving) return
    this.#leaving = true
    this.session.end(failure)
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#deliver(this.session.confirmedCount())
  }

  /** It is over: all but `unconfirmed` has been read; what becomes of those is not known here. */
  close(unconfirmed: number): void {
    this.#deliver(this.#written - unconfirmed)
    this.#counted = this.#written
  }

  /** What it holds goes on on `next`. */
  goesOnOn(next: Live): void {
    // What the peer has confirmed there counts there.
    this.#deliver(this.#written - next.session.carried)
    next.losses = this.isOfUse || next.session.carried === 0 ? 0 : this.losses
    this.#written = this.#counted
  }

  #deliver(confirmed: number): void {
    this.#account.delivered += confirmed - this.#counted
    this.#counted = confirmed
  }
}

import type { Failure, Stanza } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import type { OutboundSession } from './connect.ts'

/** A stream that stands, and what was given to it. */
export class Live {
  readonly session: OutboundSession
  readonly sinceMs: number
  /** We have opened it, and may end it. Else its peer has, which ends it when it likes (DECISIONS 22). */
  readonly isOurs: boolean
  /** above its high-water mark */
  blocked = false
  /** of the stanza written last, with which it went above */
  lastBytes = 0
  /** since somebody last looked */
  used = true
  /** as old as a stream may become */
  aged = false
  readonly #account: Account
  #written = 0
  /** of those written, counted as delivered */
  #counted = 0
  #leaving = false

  constructor(session: OutboundSession, sinceMs: number, account: Account, isOurs: boolean) {
    this.session = session
    this.sinceMs = sinceMs
    this.isOurs = isOurs
    this.#account = account
  }

  /** What is written to it now goes to the peer. */
  get isOpen(): boolean {
    return !this.#leaving && !this.session.isClosing
  }

  /** written and without an outcome */
  get held(): number {
    return this.#written - this.#counted
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

  /** It is over: all but `unconfirmed` has been read. */
  close(unconfirmed: number): void {
    this.#deliver(this.#written - unconfirmed)
    this.#account.inDoubt += unconfirmed
    this.#counted = this.#written
  }

  #deliver(confirmed: number): void {
    this.#account.delivered += confirmed - this.#counted
    this.#counted = confirmed
  }
}

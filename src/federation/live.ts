import type { Stanza } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import type { OutboundSession } from './connect.ts'

/** A stream that stands, and what was given to it. */
export class Live {
  readonly session: OutboundSession
  readonly sinceMs: number
  /** above its high-water mark */
  blocked = false
  /** of the stanza written last, with which it went above */
  lastBytes = 0
  /** since the idle timer last looked */
  used = true
  readonly #account: Account
  #written = 0
  /** of those written, counted as delivered */
  #counted = 0

  constructor(session: OutboundSession, sinceMs: number, account: Account) {
    this.session = session
    this.sinceMs = sinceMs
    this.#account = account
  }

  /** What is written to it now goes to the peer. */
  get isOpen(): boolean {
    return !this.session.isClosing
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

import type { Custody, Management } from '../session/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Connect, OutboundSession, StreamHandler } from './connect.ts'
import { STOPPING } from './reasons.ts'

export interface DiallerOptions {
  readonly pair: DomainPair
  readonly connect: Connect
  /** @returns who hears what becomes of the stream */
  readonly onStands: (session: OutboundSession) => DialledHandler
  readonly onFailed: (failure: Failure) => void
  /** what is to go on on the stream that has just been proven; null: nothing */
  readonly resumes: () => Management | null
  /** what comes on a bidi stream that stands already when nobody wants it any longer */
  readonly receive: (stanza: Stanza, custody: Custody | null) => Promise<void> | undefined
}

export interface DialledHandler extends StreamHandler {
  onStanza(stanza: Stanza, custody: Custody | null): Promise<void> | undefined
}

/** The dials of one route: one at a time. */
export class Dialler {
  readonly #options: DiallerOptions
  #dial: AbortController | null = null

  constructor(options: DiallerOptions) {
    this.#options = options
  }

  get busy(): boolean {
    return this.#dial !== null
  }

  /** The one that is under way serves as well. */
  start(): void {
    if (this.#dial !== null) return
    const { pair, connect, onStands, onFailed, resumes, receive } = this.#options
    const dial = new AbortController()
    this.#dial = dial
    let handler: DialledHandler | null = null
    const isWanted = () => {
      const is = this.#dial === dial
      if (is) this.#dial = null
      return is
    }
    connect(
      pair,
      {
        onConnected: session => {
          if (isWanted()) handler = onStands(session)
          else session.end(STOPPING)
        },
        onFailed: failure => {
          if (isWanted()) onFailed(failure)
        },
        resumes: () => (this.#dial === dial ? resumes() : null),
        onStanza: (stanza, custody) =>
          handler === null ? receive(stanza, custody) : handler.onStanza(stanza, custody),
        onDrain: () => handler?.onDrain(),
        onConfirmed: () => handler?.onConfirmed(),
        onEnded: (...end) => handler?.onEnded(...end),
      },
      dial.signal,
    )
  }

  /** Give it up. */
  stop(): void {
    this.#dial?.abort()
    this.#dial = null
  }
}

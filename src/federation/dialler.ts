import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Connect, OutboundSession, StreamHandler } from './connect.ts'
import { STOPPING } from './reasons.ts'

export interface DiallerOptions {
  readonly pair: DomainPair
  readonly connect: Connect
  /** @returns who hears what becomes of the stream */
  readonly onStands: (session: OutboundSession) => DialledHandler
  readonly onFailed: (failure: Failure) => void
  /** what comes on a bidi stream that stands already when nobody wants it any longer */
  readonly receive: (stanza: Stanza) => Promise<void> | undefined
}

export interface DialledHandler extends StreamHandler {
  onStanza(stanza: Stanza): Promise<void> | undefined
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
    const { pair, connect, onStands, onFailed, receive } = this.#options
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
        onStanza: stanza => (handler === null ? receive(stanza) : handler.onStanza(stanza)),
        onDrain: () => handler?.onDrain(),
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

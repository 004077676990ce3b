import type { Custody, EstablishedSession, Management, Rest } from '../session/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'

/** What a route needs of an established session. */
export type OutboundSession = Pick<
  EstablishedSession,
  | 'send'
  | 'end'
  | 'abort'
  | 'confirmedCount'
  | 'isClosing'
  | 'peerLimits'
  | 'bidi'
  | 'management'
  | 'carried'
  | 'isFull'
>

/** Who is told what becomes of a stream that stands. */
export interface StreamHandler {
  onDrain(): void
  /** confirmedCount has grown; not for each stanza */
  onConfirmed(): void
  /** once, last; see SessionHandler */
  onEnded(failure: Failure | null, unconfirmed: readonly Stanza[], unconfirmedCount: number, rest: Rest): void
}

/** Who is told what becomes of one dial: onConnected or onFailed once, the others only after onConnected. */
export interface ConnectHandler extends StreamHandler {
  /** Asked once a stream is proven: the stream that is to go on there (SM-08); null: none. */
  resumes(): Management | null
  onConnected(session: OutboundSession): void
  /** nothing is left to try */
  onFailed(failure: Failure): void
  /** The stream is bidi, and the peer has sent this on it: a promise pauses its reading. */
  onStanza(stanza: Stanza, custody: Custody | null): Promise<void> | undefined
}

/**
 * Dial for a pair: every candidate until one stands. Calls its handler later, never from within; after `signal` is
 * aborted it still calls it once.
 */
export type Connect = (pair: DomainPair, handler: ConnectHandler, signal: AbortSignal) => void

/** A stream that a peer has opened and that takes stanzas (XEP-0288), as the routes of its pairs write to it. */
export interface Adopted extends StreamHandler {
  /** One more pair that was proven on it (BI-03): its route writes to it from the next microtask on. Idempotent. */
  take(pair: DomainPair): void
}

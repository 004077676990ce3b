import type { EstablishedSession } from '../session/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'

/** What a route needs of an established session. */
export type OutboundSession = Pick<
  EstablishedSession,
  'send' | 'end' | 'abort' | 'confirmedCount' | 'isClosing' | 'peerLimits'
>

/** Who is told what becomes of one dial: onConnected or onFailed once, the others only after onConnected. */
export interface ConnectHandler {
  onConnected(session: OutboundSession): void
  /** nothing is left to try */
  onFailed(failure: Failure): void
  onDrain(): void
  /** once, last; see SessionHandler */
  onEnded(failure: Failure | null, unconfirmed: readonly Stanza[], unconfirmedCount: number): void
}

/**
 * Dial for a pair: every candidate until one stands. Calls its handler later, never from within; after `signal` is
 * aborted it still calls it once.
 */
export type Connect = (pair: DomainPair, handler: ConnectHandler, signal: AbortSignal) => void

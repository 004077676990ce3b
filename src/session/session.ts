import type { StreamRole } from '../base/index.ts'
import type { PeerLimits, PeerProof } from '../stream/index.ts'
import type { TransportFacts } from '../transport/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Custody } from './custody.ts'
import type { Management } from './management.ts'

/** Who is told what a session does. Called synchronously, never re-entrantly from send or end. */
export interface SessionHandler {
  /** receiving: last word before it counts (streams of a pair, stopping); a failure ends the stream with it */
  onEstablished(session: EstablishedSession): Failure | null
  /** receiving: one more pair of an established stream; a failure ends the stream with it. Without it all are taken. */
  onAuthorised?(pair: DomainPair, proof: PeerProof, session: EstablishedSession): Failure | null
  /** receiving: an established stream has become bidi: its peer takes stanzas there from now on */
  onBidi?(session: EstablishedSession): void
  /** receiving: stream management is on, perhaps resumed: what is sent from now on counts there */
  onManaged?(session: EstablishedSession): void
  /**
   * receiving: the peer wants to go on with what had this id, on this stream, which is proven for its pairs.
   * @returns it, where it is one of the same pairs; null: there is none (SM-08)
   */
  onResume?(id: string, session: EstablishedSession): Management | null
  /**
   * a stanza of a proven pair. A promise pauses reading of this session until it settles; order is kept.
   * @param custody null: nobody is to be told what is taken. Else it counts as taken once this has returned, or the promise
   * settled, unless `custody.went` has said meanwhile that it goes on.
   */
  onStanza(stanza: Stanza, session: EstablishedSession, custody: Custody | null): void | Promise<void>
  /** send had returned false and there is room again */
  onDrain(session: EstablishedSession): void
  /** confirmedCount has grown; not for each stanza */
  onConfirmed?(session: EstablishedSession): void
  /**
   * Exactly once, last, established or not.
   * @param unconfirmed stanzas given to send that the peer has not confirmed, oldest first. What confirms: an
   * acknowledgement where stream management is on; else a pong to a ping sent behind them, or the peer's close in answer to
   * ours. Empty after an orderly end, unless the closes crossed before a pong came.
   * @param unconfirmedCount how many there are in truth; more than `unconfirmed` holds where memory bounded the window
   * @param rest what is known of them
   */
  onEnded(failure: Failure | null, unconfirmed: readonly Stanza[], unconfirmedCount: number, rest: Rest): void
}

/**
 * Of what is unconfirmed at the end of a stream: nothing is known; the peer has said that it has none of it; or a further
 * stream of the pair can ask, for as long as the management says.
 */
export type Rest = 'unknown' | 'not-taken' | Management

/** One stream over one transport: the only driver. Owns timers, liveness, backpressure and close. */
export interface Session {
  readonly role: StreamRole
  readonly transport: TransportFacts
  /** null until established */
  readonly established: EstablishedSession | null
  /** End in order: stream error where the failure has one, close, transport. Idempotent. onEnded follows. */
  end(failure: Failure | null): void
  /** End now. onEnded follows. */
  abort(failure: Failure): void
  /** The answer to a barrier's ping has come, on whichever stream. */
  answered(id: number): void
}

export interface EstablishedSession extends Session {
  readonly pair: DomainPair
  readonly proof: PeerProof
  /** receiving: all that were proven here; the first is `pair` (BI-03: those whose stanzas may go back, where it is bidi) */
  readonly pairs: readonly DomainPair[]
  /** receiving: none before it is bidi, which may be later */
  readonly peerLimits: PeerLimits
  /** stanzas go both ways; receiving: may become true later, and onBidi says so */
  readonly bidi: boolean
  readonly setupMs: number
  /**
   * Write a stanza: on the stream that we have opened, or one that is bidi (ST-19). The session has it from now on, whatever it returns.
   * @returns false: above the high-water mark, wait for onDrain.
   */
  send(stanza: Stanza): boolean
  /** Our close is written, or the transport has ended: what is sent now is not written any more. */
  readonly isClosing: boolean
  /** stanzas that the peer has confirmed so far, of those that were sent here, or were `carried` */
  confirmedCount(): number
  /** receiving: stream management is offered, and the peer has not asked for it yet */
  readonly isManageable: boolean
  /** null: stream management is not on */
  readonly management: Management | null
  /** what had not been confirmed of a stream that goes on here: it counts as sent here, first, and is written by itself */
  readonly carried: number
  /** it has no room at present: onDrain follows */
  readonly isFull: boolean
}

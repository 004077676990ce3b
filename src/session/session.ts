import type { StreamRole } from '../base/index.ts'
import type { PeerLimits, PeerProof } from '../stream/index.ts'
import type { TransportFacts } from '../transport/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'

/** Who is told what a session does. Called synchronously, never re-entrantly from send or end. */
export interface SessionHandler {
  /** receiving: last word before it counts (streams of a pair, stopping); a failure ends the stream with it */
  onEstablished(session: EstablishedSession): Failure | null
  /** receiving: one more pair of an established stream; a failure ends the stream with it. Without it all are taken. */
  onAuthorised?(pair: DomainPair, proof: PeerProof, session: EstablishedSession): Failure | null
  /** receiving: an established stream has become bidi: its peer takes stanzas there from now on */
  onBidi?(session: EstablishedSession): void
  /** a stanza of a proven pair. A promise pauses reading of this session until it settles; order is kept. */
  onStanza(stanza: Stanza, session: EstablishedSession): void | Promise<void>
  /** send had returned false and there is room again */
  onDrain(session: EstablishedSession): void
  /**
   * Exactly once, last, established or not.
   * @param unconfirmed stanzas given to send of which nothing says that the peer has read them: oldest first. A pong to
   * a ping sent behind them, or the peer's close in answer to ours, confirms. Empty after an orderly end, unless the closes crossed before a pong came.
   * @param unconfirmedCount how many there are in truth; more than `unconfirmed` holds where memory bounded the window
   */
  onEnded(failure: Failure | null, unconfirmed: readonly Stanza[], unconfirmedCount: number): void
}

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
  /** stanzas confirmed as read by the peer so far */
  confirmedCount(): number
}

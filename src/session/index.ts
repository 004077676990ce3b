/**
 * session: one stream over one transport, from the transport's first byte to its last: the only driver of stream machines.
 * Not: what may be said (stream/), bytes (framing/), sockets (transport/), which stream a stanza takes (federation/).
 *
 * Theory. The driver (driver.ts) gives everything that happens to the machine and carries out what it answers, one input
 * at a time and in order (steps.ts). What a machine does not know is kept beside it, one concern a file: questions, whose
 * answers are inputs; timers; liveness; reading, and intake, which decides when; outflow, which watches a peer that does
 * not read; confirmation and closes, which know what the peer has read; owner, the handler and its defects. Differences
 * of wires are data (wire.ts). Stanzas that are sent pass no machine: the pair is proven, the bytes are.
 * Outgoing writes, and knows whether there is room. Stream management: managing asks for it and resumes; management holds
 * what outlives a stream; custody knows what of the peer's stanzas is taken, and acks says so; resend writes again what a
 * lost stream had not delivered.
 *
 * Nothing that a peer, a handler or a timer does throws past its session.
 *
 * RFC 6120 §§4.4, 4.6; RFC 7395 §§3.6, 3.8.
 */
export type { Custody, Watcher, Way } from './custody.ts'
export { Management } from './management.ts'
export { openStream, type StreamEvents } from './open-stream.ts'
export type {
  Barrier,
  InitiatingManagement,
  InitiatingSessionOptions,
  ReceivingSessionOptions,
  SessionOptions,
} from './options.ts'
export type { EstablishedSession, Rest, Session, SessionHandler } from './session.ts'
export { startInitiating, startReceiving } from './start.ts'
export { type ComponentSessionOptions, startComponent } from './start-component.ts'
export { type VerifyOptions, verify } from './verify.ts'

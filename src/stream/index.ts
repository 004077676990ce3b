/**
 * stream: the negotiation of one stream, from the first header to the last close, and who may say what on it.
 * Not: bytes (framing/), judging certificates (identity/), timers, sockets and ids (session/), where stanzas go (federation/).
 *
 * Theory. Two machines, initiating and receiving, both pure: a state and an input give the next state and what is to be
 * done. A state holds exactly what is true in it; waiting for the caller's verdict is a state. `established` needs a
 * proof, and only proof.ts makes one. Once established, a stanza passes if its two domains are those of the proven pair.
 * Whatever the peer sends is answered by outputs; both machines end by exactly one `ended`, after which they are silent.
 *
 *   initiating: awaiting-open > awaiting-features > authenticating > awaiting-open > awaiting-features > established
 *   receiving:  awaiting-open > awaiting-identity > negotiating > restarting > established
 *   both, from any of these: > closing > ended
 *
 * SASL EXTERNAL is the one authentication so far. Server dialback will be a second answer to the features, given in
 * `awaiting-features` or after a failure in `authenticating`; until then its elements are answered by dialback-refused.ts.
 *
 * RFC 6120 §§4, 6; RFC 7395 §3; XEP-0468 0.1; XEP-0178 1.2; XEP-0478.
 */
export {
  type InitiatingOptions,
  type InitiatingState,
  startInitiating,
  stepInitiating,
} from './initiating.ts'
export type {
  PeerLimits,
  Step,
  StreamInput,
  StreamOutput,
  StreamProgress,
  StreamTimer,
  TransportPolicy,
} from './machine.ts'
export type { PeerProof, ProvenVerdict } from './proof.ts'
export { type ReceivingOptions, type ReceivingState, startReceiving, stepReceiving } from './receiving.ts'
export { streamId } from './stream-id.ts'

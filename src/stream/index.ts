/**
 * stream: the negotiation of one stream, from the first header to the last close, and who may say what on it.
 * Not: bytes (framing/), judging certificates (identity/), timers, sockets and ids (session/), where stanzas go (federation/).
 *
 * Theory. Machines, all pure: initiating, receiving, and two small ones. A state and an input give the next state and what
 * is to be done. A state holds exactly what is true in it; waiting for the caller's verdict is a state. `established` needs a
 * proof, and only proof.ts makes one. Once established, a stanza passes if its two domains are those of a proven pair.
 * Whatever the peer sends is answered by outputs; each machine ends by exactly one `ended`, after which it is silent.
 *
 *   initiating: awaiting-open > awaiting-features > authenticating > awaiting-open > awaiting-features > established
 *                                                 > showing-key > established
 *   receiving:  awaiting-open > awaiting-identity > negotiating > restarting > established
 *                             > negotiating > established
 *   both, before authentication, on TCP: > awaiting-tls > awaiting-open
 *   verifying:  awaiting-open > awaiting-features > asking
 *   component:  awaiting-open > awaiting-handshake > established
 *   all, from any of these: > closing > ended
 *
 * Stanzas go one way, from who has opened the stream, unless both sides agree otherwise before that one is proven or
 * after (XEP-0288): then back as well, to each domain that is proven, from the one to which it is.
 *
 * A peer is proven by SASL EXTERNAL or by server dialback (DECISIONS 9). Dialback proves pairs one by one, on a stream that
 * stands already too; who is asked about a key is the caller's business. The third machine is the stream of that question,
 * the fourth that of a component, which shares a secret with us.
 *
 * Stream management (XEP-0198) is agreed on here and its elements are read; who counts, and what a lost stream leaves to
 * the next, is the caller's business.
 *
 * RFC 6120 §§4 to 6; RFC 7395 §3; XEP-0114 1.6; XEP-0178 1.2; XEP-0185 1.0; XEP-0198 1.6; XEP-0220 1.1; XEP-0288 1.0;
 * XEP-0468 0.1; XEP-0478.
 */

export { isOrderly } from './closing.ts'
export { type ComponentOptions, type ComponentState, startComponent, stepComponent } from './component.ts'
export {
  type DialbackOutcome,
  type DialbackSecret,
  dialbackKey,
  dialbackSecret,
} from './dialback.ts'
export {
  type InitiatingOptions,
  type InitiatingState,
  startInitiating,
  stepInitiating,
} from './initiating.ts'
export type {
  PeerLimits,
  StanzasTo,
  StartTls,
  Step,
  StreamInput,
  StreamOutput,
  StreamProgress,
  StreamTimer,
  TransportPolicy,
  Verification,
} from './machine.ts'
export type { Callee, PeerProof, ProvenVerdict } from './proof.ts'
export { type ReceivingOptions, type ReceivingState, startReceiving, stepReceiving } from './receiving.ts'
export { ackElement, HANDLED_MODULUS, handledTooHigh, requestElement } from './sm.ts'
export { streamId } from './stream-id.ts'
export { startVerifying, stepVerifying, type VerifyingOptions, type VerifyingState } from './verifying.ts'

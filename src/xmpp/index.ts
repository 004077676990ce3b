/**
 * xmpp: the vocabulary. Domains and JIDs in the form that is compared, stanzas with their addressing, stanza and
 * stream conditions, failures and what each of them means for stream, sender, retry and reader.
 *
 * It is not: streams (stream/), XML (xml/), nor any decision about who may say what.
 *
 * Theory: an address is prepared once, where it enters, and compared as a value from then on; the bytes of a stanza stay
 * as its sender wrote them. What a peer did wrong is a Violation, a value with its rule; what our own code does wrong is
 * a TypeError.
 *
 * RFC 6120 §§4.9.3, 8 and 10 (stanzas, errors, routing); RFC 7622 with PRECIS (RFC 8264, RFC 8265) and IDNA2008 (RFC 5890
 * to 5895) for addresses.
 */
export {
  type Address,
  bounce,
  element,
  iq,
  message,
  presence,
  rescoped,
  resultOf,
  type StanzaError,
  type StanzaFields,
  stanzaFromElement,
} from './compose.ts'
export * from './conditions.ts'
export { delayed } from './delay.ts'
export {
  type Domain,
  type DomainPair,
  isFederable,
  type NotFederable,
  notFederable,
  parseDomain,
  toAscii,
} from './domain.ts'
export {
  describe,
  type Failure,
  type FailureId,
  failureId,
  type PeerFailure,
  type RuleId,
  toRetry,
  toStanzaError,
  toStreamError,
  type Violation,
} from './failure.ts'
export { formatJid, type Jid, parseJid, parseWireJid, sameJid, toBare } from './jid.ts'
export { NS, REL_BOSH, REL_S2S_WEBSOCKET, REL_WEBSOCKET } from './namespaces.ts'
export {
  isRequest,
  isViolation,
  type Stanza,
  type StanzaKind,
  stanzaFromScanned,
} from './stanza.ts'

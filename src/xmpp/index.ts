export * from './conditions.ts'
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
export { NS, REL_S2S_WEBSOCKET } from './namespaces.ts'
export type { Stanza } from './stanza.ts'

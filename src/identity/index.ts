/**
 * identity: whether a chain of certificates proves a domain, and minting certificates of our own.
 * Not: TLS itself, sockets, where certificates and keys are kept, dialback.
 *
 * Theory. `judgePeer` takes facts (the peer's DER chain, Node's verdict, the names wanted, what we trust, the time) and
 * gives a verdict; nothing is global, and what a trust store remembers of authorities is never a verdict. It agrees with Node only where our own RFC 5280 path check for server
 * certificates, over our own strict DER reader, agrees too: Node verifies a peer that dialled us as a client, whose
 * purpose public authorities no longer certify, and the error it then reports hides all others (DECISIONS 7). Names are
 * compared by RFC 9525 with RFC 6120 §13.7.1 and RFC 4985 (DECISIONS 8): SANs only, never the Common Name. A pin
 * (XEP-0487 0.1) stands for path and names together. Whatever cannot be read or is not implemented is refused.
 */
export { type Certificate, type ParsedCertificate, parseCertificate } from './certificate.ts'
export { type ChainEvidence, judgeChain, judgePeer, type PeerEvidence, pinOf } from './judge.ts'
export {
  type Authority,
  type AuthorityOptions,
  createAuthority,
  issue,
  issueAuthority,
  type LeafOptions,
  loadAuthority,
  type Minted,
  type Purpose,
  type Validity,
} from './mint.ts'
export { checkPath, type PathLimits, type PathResult } from './path.ts'
export { type PemBundle, readPemCertificates } from './pem.ts'
export { createTrustStore, type TrustSources, type TrustStore } from './trust.ts'
export type { IdentityReason, IdentityVerdict, ReferenceNames } from './verdict.ts'

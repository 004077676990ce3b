/**
 * identity: whether a chain of certificates proves a domain. Not: TLS itself, sockets, where certificates are kept.
 */
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
export { type PemBundle, readPemCertificates } from './pem.ts'
export type { IdentityReason, IdentityVerdict, ReferenceNames } from './verdict.ts'

/**
 * discovery: where a domain is, and what our domains say about where they are. host-meta is read (JRD with XEP-0487, XRD)
 * and written; names become addresses that may be dialled.
 *
 * It is not: dialling a candidate (federation/), judging its certificate there (identity/), serving our documents (front/).
 *
 * Theory. A domain that anybody may name is turned into URLs and addresses that its owner chose, so every step is
 * bounded and distrusts the last one: a socket goes only to an address that the guard saw, a document counts only from
 * a server that proved to be the host of its URL, a link counts only as parsed. What proved itself is a delegation: the
 * candidate's certificate may then be for the URL's host. Answers are kept for their ttl, failures briefly, and an
 * old answer serves where no new one can be had; look-ups of one domain are one.
 *
 * XEP-0156 1.4, XEP-0487 0.1, RFC 6415, RFC 2782 (order), RFC 8305; DECISIONS 10, 11, 21, 26.
 */
export type {
  AddressBook,
  Candidate,
  Discovered,
  Discovery,
  Endpoint,
  Resolved,
  Resolver,
} from './candidate.ts'
export { createDiscovery, type DiscoveryOptions } from './discovery.ts'
export {
  createHostMetaPublisher,
  type HostMetaPublisher,
  type PublishedDomain,
  type PublisherOptions,
} from './publisher.ts'
export { createResolver, type ResolverOptions } from './resolver.ts'
export {
  type HostMetaDocuments,
  hostMetaDocuments,
  type PublishedEndpoint,
  type PublishedLink,
} from './write.ts'

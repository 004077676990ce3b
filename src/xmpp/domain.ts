/**
 * A domainpart in the one form that is compared: U-labels, lower case, no trailing dot (RFC 7622, SZ-27).
 * Only parseDomain makes one.
 */
export type Domain = string & { readonly [isDomain]: true }
declare const isDomain: unique symbol

/** A pair as seen from here. Directions are the stream's business. */
export interface DomainPair {
  readonly local: Domain
  readonly remote: Domain
}

import type { Domain } from '../xmpp/index.ts'

/** The names that a certificate may bear to prove a domain (CT-10, CT-13). */
export interface ReferenceNames {
  /** as DNS-ID, SRV-ID `_xmpp-server` and XmppAddr */
  readonly domain: Domain
  /**
   * further hosts as DNS-ID only, A-labels (an address matches iPAddress only, CT-07): the host of a URL that verified
   * HTTPS or configuration gave for the domain
   */
  readonly hosts: readonly string[]
  /** base64 SHA-256 of SubjectPublicKeyInfo; a match is an alternative to path and names (CT-40) */
  readonly pins: readonly string[]
}

/** Why a chain was refused. Each is a row of docs/ERRORS.md. */
export type IdentityReason =
  | 'no-certificate'
  | 'malformed'
  | 'chain-too-long'
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  | 'bad-signature'
  | 'weak-key'
  | 'weak-signature'
  | 'not-a-ca'
  | 'path-length'
  | 'key-usage'
  | 'purpose'
  | 'critical-extension'
  | 'name-constraints'
  | 'name-mismatch'
  | 'too-much-work'
  /** Node refused the chain for something that we do not see */
  | 'refused-by-tls'

export type IdentityVerdict =
  | {
      readonly ok: true
      readonly domain: Domain
      readonly via: 'dns-id' | 'srv-id' | 'xmpp-addr' | 'ip-id' | 'pin'
      /** the presented identifier, or the pin, that matched */
      readonly name: string
      /** earliest notAfter of the path, ms since the epoch (CT-09) */
      readonly notAfterMs: number
    }
  | { readonly ok: false; readonly domain: Domain; readonly reason: IdentityReason; readonly detail: string }

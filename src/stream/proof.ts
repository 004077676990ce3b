import type { Domain } from '../xmpp/index.ts'

/** Evidence that the peer is `domain`. Only this room makes one; `established` cannot be built without it. */
export interface PeerProof {
  readonly domain: Domain
  readonly method: 'sasl-external' | 'dialback'
  /** the identifier that proved it, and its kind, e.g. 'dns-id capulet.example' */
  readonly evidence: string
  /** when the evidence ends, ms since the epoch; Infinity where it does not */
  readonly notAfterMs: number
  readonly [isProof]: true
}
declare const isProof: unique symbol

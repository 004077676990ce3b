import type { IdentityVerdict } from '../identity/index.ts'
import type { Domain } from '../xmpp/index.ts'

/** Evidence that the peer is `domain`. Only this room makes one; `established` cannot be built without it. */
export interface PeerProof {
  readonly domain: Domain
  readonly method: 'sasl-external' | 'dialback' | 'handshake'
  /** the identifier that proved it, and its kind, e.g. 'dns-id capulet.example' */
  readonly evidence: string
  /** when the evidence ends, ms since the epoch; Infinity where it does not */
  readonly notAfterMs: number
  readonly [isProof]: true
}
declare const isProof: unique symbol

/** A verdict that the peer's certificate proves its domain. */
export type ProvenVerdict = Extract<IdentityVerdict, { ok: true }>

/**
 * What makes the peer of a stream that we open the right one: its certificate, judged before the stream; or, on wires that
 * begin without TLS, the certificate that STARTTLS will bring, or an address that the operator has configured.
 */
export type Callee = ProvenVerdict | 'by-starttls' | 'configured-address'

/** The peer's certificate proves its domain, and SASL EXTERNAL was agreed on. Not exported from the room. */
export function proveByExternal({ domain, via, name, notAfterMs }: ProvenVerdict): PeerProof {
  const facts = { domain, method: 'sasl-external', evidence: `${via} ${name}`, notAfterMs } as const
  return Object.freeze(facts) as PeerProof
}

/** The domain's own server says that the peer speaks for it, or an address that is configured. Not exported from the room. */
export function proveByDialback(domain: Domain, evidence: string, notAfterMs = Infinity): PeerProof {
  return Object.freeze({ domain, method: 'dialback', evidence, notAfterMs } as const) as PeerProof
}

/** We have proven ourselves by dialback to a peer whose certificate proves it. Not exported from the room. */
export function provenCallee({ domain, via, name, notAfterMs }: ProvenVerdict): PeerProof {
  const facts = { domain, method: 'dialback', evidence: `${via} ${name}`, notAfterMs } as const
  return Object.freeze(facts) as PeerProof
}

/** The peer has shown the digest of the secret that it shares with us (XEP-0114). Not exported from the room. */
export function proveByHandshake(domain: Domain): PeerProof {
  const facts = {
    domain,
    method: 'handshake',
    evidence: `secret of ${domain}`,
    notAfterMs: Infinity,
  } as const
  return Object.freeze(facts) as PeerProof
}

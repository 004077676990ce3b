import { createHash } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { matchNames } from './match.ts'
import { dateFault, findPath, keyFault, leafFault, type PathLimits, type Refusal, readChain } from './path.ts'
import type { TrustStore } from './trust.ts'
import type { IdentityReason, IdentityVerdict, ReferenceNames } from './verdict.ts'

export interface ChainEvidence {
  /** DER, the peer's own certificate first */
  readonly chain: readonly Uint8Array[]
  readonly names: ReferenceNames
  readonly trust: TrustStore
  readonly nowMs: number
  readonly limits: PathLimits
}

export interface PeerEvidence extends ChainEvidence {
  /** Node's own word: 'authorized', an error code such as 'INVALID_PURPOSE', 'none', or 'forwarded' where a proxy saw it */
  readonly nodeVerdict: string
  /** ours: Node verifies a server for the initiating side and a client for the receiving one */
  readonly role: 'initiating' | 'receiving'
}

/**
 * Whether the peer of a TLS connection is the domain that `names` describes. Node and our own path check must agree
 * (DECISIONS 7): each misses what the other finds, and Node's INVALID_PURPOSE hides an untrusted chain (CT-21).
 */
export function judgePeer(evidence: PeerEvidence): IdentityVerdict {
  const { nodeVerdict, names, nowMs } = evidence
  const read = readChain(evidence.chain, evidence.trust, evidence.limits)
  if (!read.ok) return refuse(names, read)
  const [leaf] = read.certificates
  const pin = matchPin(leaf, names)
  if (pin !== null) {
    // CT-40, AM-25: an alternative to path and names; the dates count all the same.
    const fault = dateFault(leaf, 0, nowMs) ?? keyFault(leaf, 0)
    return fault === null ? accept(names, 'pin', pin, leaf.notAfterMs) : refuse(names, fault)
  }
  const path = findPath(read.certificates, evidence.trust, nowMs, evidence.limits)
  if (path.ok) {
    const isReceiving = evidence.role === 'receiving'
    if (nodeVerdict === 'authorized' || (isReceiving && NO_OBJECTION.has(nodeVerdict)))
      return judgeNames(leaf, names, 'all', path.notAfterMs)
    const detail = `TLS refused the certificate: ${nodeVerdict}`
    return refuse(names, { ok: false, reason: 'refused-by-tls', detail })
  }
  // Node 24 shows nothing but the leaf of a chain that it authorised. OpenSSL has then held the name constraints against
  // dNSName, which alone may count; the purpose was a client's, so ours is asked of the leaf. That an authority of ours
  // bears the issuer's name, and has not signed, says nothing of the one that we cannot see.
  const isHidden =
    nodeVerdict === 'authorized' && read.certificates.length === 1 && ISSUER_MISSING.has(path.reason)
  if (!isHidden) return refuse(names, path)
  const fault = leafFault(leaf, nowMs)
  return fault === null ? judgeNames(leaf, names, 'dns-id', leaf.notAfterMs) : refuse(names, fault)
}

/** Node asks for a client's purpose; and what a proxy forwards, Node has not seen. */
const NO_OBJECTION: ReadonlySet<string> = new Set(['INVALID_PURPOSE', 'forwarded'])

const ISSUER_MISSING: ReadonlySet<IdentityReason> = new Set(['untrusted', 'bad-signature'])

/** Whether a peer that proved to hold this chain's key would be accepted, as far as the chain itself can say. */
export function judgeChain(evidence: ChainEvidence): IdentityVerdict {
  return judgePeer({ ...evidence, nodeVerdict: 'INVALID_PURPOSE', role: 'receiving' })
}

/** base64 SHA-256 of the whole SubjectPublicKeyInfo of a certificate's key, as pins are written (CT-40). */
export function pinOf(certificate: Pick<Certificate, 'spki'>): string {
  return createHash('sha256').update(certificate.spki).digest('base64')
}

function matchPin(leaf: Certificate, names: ReferenceNames): string | null {
  if (names.pins.length === 0) return null
  const pin = pinOf(leaf)
  return names.pins.includes(pin) ? pin : null
}

function judgeNames(
  leaf: Certificate,
  names: ReferenceNames,
  kinds: 'all' | 'dns-id',
  notAfterMs: number,
): IdentityVerdict {
  const match = matchNames(leaf, names, kinds)
  if (match !== null) return accept(names, match.via, match.name, notAfterMs)
  const others = kinds === 'dns-id' && matchNames(leaf, names, 'all') !== null
  const detail = others
    ? `the certificate names ${names.domain} only as SRVName or XmppAddr, and its path could not be seen whole`
    : leaf.names === null
      ? 'the certificate has no subject alternative names'
      : `none of the certificate's names is ${[names.domain, ...names.hosts].join(' or ')}`
  return refuse(names, { ok: false, reason: 'name-mismatch', detail })
}

type Accepted = Extract<IdentityVerdict, { ok: true }>

function accept(
  { domain }: ReferenceNames,
  via: Accepted['via'],
  name: string,
  notAfterMs: number,
): IdentityVerdict {
  return { ok: true, domain, via, name, notAfterMs }
}

function refuse({ domain }: ReferenceNames, { reason, detail }: Refusal): IdentityVerdict {
  return { ok: false, domain, reason, detail }
}

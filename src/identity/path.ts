import type { Limits } from '../base/index.ts'
import { type Certificate, isSelfIssued, KEY_USAGE, parseCertificate } from './certificate.ts'
import { latin1, sameBytes } from './der.ts'
import { type Budget, breachOf } from './name-constraints.ts'
import { OID } from './oids.ts'
import { keyWeakness, signatureWeakness } from './signature.ts'
import { type Issuer, issuer, type TrustStore } from './trust.ts'
import type { IdentityReason } from './verdict.ts'

// RFC 5280 §6 for server certificates, over every path that the given certificates allow.

export type PathLimits = Pick<
  Limits,
  'chainCertificates' | 'chainBytes' | 'pathSignatureChecks' | 'nameConstraintChecks'
>

export interface Refusal {
  readonly ok: false
  readonly reason: IdentityReason
  /** a sentence without trailing stop; quotes nothing of the peer's */
  readonly detail: string
}

export type PathResult =
  | {
      readonly ok: true
      /** from the peer's certificate to the anchor, both included */
      readonly path: readonly Certificate[]
      /** earliest of the path */
      readonly notAfterMs: number
    }
  | Refusal

/** Read, check and complete a presented chain of DER certificates. @param chain the peer's own certificate first */
export function checkPath(
  chain: readonly Uint8Array[],
  trust: TrustStore,
  nowMs: number,
  limits: PathLimits,
): PathResult {
  const read = readChain(chain, trust, limits)
  return read.ok ? findPath(read.certificates, trust, nowMs, limits) : read
}

export type ChainResult =
  | { readonly ok: true; readonly certificates: readonly [Certificate, ...Certificate[]] }
  | Refusal

/** Size is looked at before any byte is parsed; one malformed certificate refuses the chain. */
export function readChain(chain: readonly Uint8Array[], trust: TrustStore, limits: PathLimits): ChainResult {
  const bytes = chain.reduce((sum, { length }) => sum + length, 0)
  if (chain.length > limits.chainCertificates || bytes > limits.chainBytes) {
    const detail = `the chain has ${chain.length} certificates in ${bytes} bytes; at most ${limits.chainCertificates} in ${limits.chainBytes} bytes are accepted`
    return refusal('chain-too-long', detail)
  }
  const certificates: Certificate[] = []
  for (const [index, der] of chain.entries()) {
    const known = index === 0 ? undefined : trust.remembered.find(der)
    if (known !== undefined) {
      certificates.push(known.certificate)
      continue
    }
    const parsed = parseCertificate(der)
    if (!parsed.ok)
      return refusal('malformed', `certificate ${index + 1} of the chain is malformed ${parsed.detail}`)
    certificates.push(parsed.certificate)
  }
  const [leaf, ...others] = certificates
  if (leaf === undefined) return refusal('no-certificate', 'no certificate was presented')
  return { ok: true, certificates: [leaf, ...others] }
}

/** What must hold of the peer's own certificate on any path; null where it does. */
export function leafFault(leaf: Certificate, nowMs: number): Refusal | null {
  const usable = KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment | KEY_USAGE.keyAgreement
  if (leaf.keyUsage !== null && (leaf.keyUsage & usable) === 0)
    return refusal('key-usage', 'the certificate may not be used for TLS: its key usage forbids it')
  return certificateFault(leaf, 0, nowMs) ?? signatureFault(leaf, 0)
}

export function dateFault(certificate: Certificate, position: number, nowMs: number): Refusal | null {
  if (nowMs < certificate.notBeforeMs)
    return refusal('not-yet-valid', `${nth(position)} is not valid before ${date(certificate.notBeforeMs)}`)
  if (nowMs > certificate.notAfterMs)
    return refusal('expired', `${nth(position)} expired on ${date(certificate.notAfterMs)}`)
  return null
}

export function keyFault(certificate: Certificate, position: number): Refusal | null {
  const weakness = keyWeakness(certificate.spki)
  return weakness === null ? null : refusal('weak-key', `${nth(position)} ${weakness}`)
}

/** Find a path from the first of `certificates` to an anchor. The refusal tells of the path that came furthest. */
export function findPath(
  certificates: readonly [Certificate, ...Certificate[]],
  trust: TrustStore,
  nowMs: number,
  limits: PathLimits,
): PathResult {
  const [leaf, ...others] = certificates
  const fault = leafFault(leaf, nowMs)
  if (fault !== null) return fault
  // As in every TLS stack: a self-signed certificate that the operator trusts proves itself.
  if (trust.isAnchor(leaf)) return success([leaf])

  const presented = new Map<string, Issuer[]>()
  for (const certificate of others) {
    const subject = latin1(certificate.subject)
    const candidate = trust.remembered.find(certificate.der) ?? issuer(certificate, false)
    const named = presented.get(subject)
    if (named) named.push(candidate)
    else presented.set(subject, [candidate])
  }
  const search: Search = {
    issuersOf: child => [
      ...trust.issuersNamed(child.issuer),
      ...(presented.get(latin1(child.issuer)) ?? []).toSorted(byKeyIdentifier(child)),
    ],
    nowMs,
    stepsLeft: limits.pathSignatureChecks,
    budget: { left: limits.nameConstraintChecks },
    furthest: { length: 0, refusal: refusal('untrusted', '') },
  }
  const path = extend([leaf], search)
  if (path !== null) {
    for (const candidate of [...presented.values()].flat())
      if (path.includes(candidate.certificate)) trust.remembered.add(candidate)
    return success(path)
  }
  return isExhausted(search)
    ? refusal('too-much-work', 'the chain allows too many paths to try them all')
    : search.furthest.refusal
}

interface Search {
  issuersOf(child: Certificate): readonly Issuer[]
  readonly nowMs: number
  /** every pair of certificates looked at counts as a signature check */
  stepsLeft: number
  readonly budget: Budget
  furthest: { length: number; refusal: Refusal }
}

/** Depth first. @returns the whole path; null where none exists or the work ran out */
function extend(
  path: readonly [Certificate, ...Certificate[]],
  search: Search,
): readonly Certificate[] | null {
  const child = path[path.length - 1] ?? path[0]
  let tried = false
  for (const candidate of search.issuersOf(child)) {
    const { certificate } = candidate
    if (path.some(other => isSameAuthority(other, certificate))) continue
    tried = true
    search.stepsLeft -= 1
    if (isExhausted(search)) return null
    const fault = issuerFault(path, candidate, search.nowMs)
    if (fault !== null) {
      note(search, path.length + 1, fault)
      continue
    }
    const longer: [Certificate, ...Certificate[]] = [...path, certificate]
    const whole = candidate.trusted ? constrained(longer, search) : extend(longer, search)
    if (whole !== null || isExhausted(search)) return whole
  }
  if (!tried) note(search, path.length, untrusted(path, child))
  return null
}

/**
 * A path that reaches an anchor, if it keeps the constraints of its authorities. Asked only now: comparing names may cost
 * far more than a signature, and a stranger's authorities could ask for it at every step.
 */
function constrained(
  path: readonly [Certificate, ...Certificate[]],
  search: Search,
): readonly Certificate[] | null {
  for (const [position, { nameConstraints }] of path.entries()) {
    if (position === 0 || nameConstraints === null) continue
    for (const [index, below] of path.slice(0, position).entries()) {
      // RFC 5280 §6.1.3 (b): not authorities renewing themselves.
      if (index > 0 && isSelfIssued(below)) continue
      const breach = breachOf(nameConstraints, below, search.budget)
      if (breach === null) continue
      note(search, WHOLE, refusal('name-constraints', `${nth(index)} ${breach}`))
      return null
    }
  }
  return path
}

function isExhausted(search: Search): boolean {
  return search.stepsLeft < 0 || search.budget.left < 0
}

/** A path that is complete has come further than any other. */
const WHOLE = Number.POSITIVE_INFINITY

function note(search: Search, length: number, refused: Refusal): void {
  if (length > search.furthest.length) search.furthest = { length, refusal: refused }
}

/** A path never passes the same name and key twice (RFC 4158 §2.4.2): no cycles. */
function isSameAuthority(a: Certificate, b: Certificate): boolean {
  return sameBytes(a.subject, b.subject) && sameBytes(a.spki, b.spki)
}

/** Why `candidate` cannot follow `path`; null where it does. Cheap checks first, the signature last. */
function issuerFault(
  path: readonly [Certificate, ...Certificate[]],
  candidate: Issuer,
  nowMs: number,
): Refusal | null {
  const { certificate } = candidate
  const position = path.length
  const named = nth(position)
  if (certificate.basicConstraints?.ca !== true) return refusal('not-a-ca', `${named} is not an authority`)
  if (certificate.keyUsage !== null && (certificate.keyUsage & KEY_USAGE.keyCertSign) === 0)
    return refusal('key-usage', `${named} may not sign certificates: its key usage forbids it`)
  const fault =
    certificateFault(certificate, position, nowMs) ??
    // An anchor is believed for its key; who signed it does not matter.
    (candidate.trusted ? null : signatureFault(certificate, position))
  if (fault !== null) return fault
  const { pathLength } = certificate.basicConstraints
  const between = path.slice(1).filter(other => !isSelfIssued(other)).length
  if (pathLength !== null && between > pathLength)
    return refusal(
      'path-length',
      `${named} allows ${pathLength} authorities below it and there are ${between}`,
    )
  return candidate.hasSigned(path[path.length - 1] ?? path[0])
    ? null
    : refusal('bad-signature', `the signature on ${nth(position - 1)} is not that of the authority it names`)
}

/** What must hold of every certificate of a path. */
function certificateFault(certificate: Certificate, position: number, nowMs: number): Refusal | null {
  const [unknown] = certificate.unknownCritical
  if (unknown !== undefined)
    return refusal(
      'critical-extension',
      `${nth(position)} has a critical extension that is not supported: ${unknown}`,
    )
  const { purposes } = certificate
  // DECISIONS 7: serverAuth or no purpose at all, in both directions; anyExtendedKeyUsage does not stand for it.
  if (purposes !== null && !purposes.includes(OID.serverAuth))
    return refusal(
      'purpose',
      `${nth(position)} is not meant for servers: its extended key usage lacks serverAuth`,
    )
  return dateFault(certificate, position, nowMs) ?? keyFault(certificate, position)
}

function signatureFault(certificate: Certificate, position: number): Refusal | null {
  const weakness = signatureWeakness(certificate)
  return weakness === null ? null : refusal('weak-signature', `${nth(position)} ${weakness}`)
}

function untrusted(path: readonly Certificate[], child: Certificate): Refusal {
  if (isSelfIssued(child)) {
    const detail =
      path.length === 1
        ? 'the certificate is self-signed and not trusted'
        : 'the chain ends at an authority that is not trusted'
    return refusal('untrusted', detail)
  }
  return refusal('untrusted', `the issuer of ${nth(path.length - 1)} is neither trusted nor in the chain`)
}

/** Issuers whose key identifier fits first: fewer signatures to check. */
function byKeyIdentifier(child: Certificate): (a: Issuer, b: Issuer) => number {
  const wanted = child.authorityKeyId
  const rank = ({ certificate: { subjectKeyId } }: Issuer): number =>
    wanted === null || subjectKeyId === null ? 1 : sameBytes(wanted, subjectKeyId) ? 0 : 2
  return (a, b) => rank(a) - rank(b)
}

function success(path: readonly Certificate[]): PathResult {
  return { ok: true, path, notAfterMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)) }
}

function refusal(reason: IdentityReason, detail: string): Refusal {
  return { ok: false, reason, detail }
}

/** Of a path; by position, not by name: the sentence goes to the peer and into logs. */
function nth(position: number): string {
  return position === 0 ? 'the certificate' : `authority ${position} above the certificate`
}

function date(ms: number): string {
  return new Date(ms).toISOString()
}

import { constructed, DerReader, implicit, sameBytes, TAG } from './der.ts'
import { type GeneralNames, type NameCollector, noNames, readGeneralName } from './general-names.ts'
import { OID } from './oids.ts'

/** An X.509 certificate, read and not yet believed. Byte fields are views of `der`. */
export interface Certificate {
  readonly der: Uint8Array
  /** what is signed */
  readonly tbs: Uint8Array
  /** AlgorithmIdentifier, whole */
  readonly signatureAlgorithm: Uint8Array
  readonly signature: Uint8Array
  /** 1 to 3 */
  readonly version: number
  /** DER Names, whole */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** SubjectPublicKeyInfo, whole */
  readonly spki: Uint8Array
  /** subjectAltName; null without the extension */
  readonly names: GeneralNames | null
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  /** bit n of RFC 5280 §4.2.1.3 is 1 << n; null without the extension */
  readonly keyUsage: number | null
  /** OIDs; null without the extension */
  readonly purposes: readonly string[] | null
  readonly nameConstraints: NameConstraints | null
  /** critical extensions that this room does not implement, by OID */
  readonly unknownCritical: readonly string[]
  readonly authorityKeyId: Uint8Array | null
  readonly subjectKeyId: Uint8Array | null
}

export interface NameConstraints {
  readonly permitted: GeneralNames
  readonly excluded: GeneralNames
  /** a subtree has a minimum or maximum, which RFC 5280 forbids */
  readonly bounded: boolean
}

/** RFC 5280 §4.2.1.3, as bits of `keyUsage`. */
export const KEY_USAGE = {
  digitalSignature: 1 << 0,
  keyEncipherment: 1 << 2,
  keyAgreement: 1 << 4,
  keyCertSign: 1 << 5,
} as const

export type ParsedCertificate =
  | { readonly ok: true; readonly certificate: Certificate }
  | { readonly ok: false /** where the fault lies, after 'malformed' */; readonly detail: string }

/** Read one certificate from strict DER; nothing may follow it. Hostile bytes give a value, never a throw. */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  const outer = new DerReader(der)
  const whole = outer.enter(TAG.sequence)
  outer.finish()
  const tbsBytes = whole.element(TAG.sequence)
  const signatureAlgorithm = whole.element(TAG.sequence)
  const signature = whole.bitStringOfOctets()
  whole.finish()
  if (outer.failed) return { ok: false, detail: 'in its outer structure' }

  const tbs = new DerReader(tbsBytes).enter(TAG.sequence)
  const version = readVersion(tbs)
  tbs.integer() // serialNumber
  // RFC 5280 §4.1.1.2: the signed algorithm must be the one used.
  if (!sameBytes(tbs.element(TAG.sequence), signatureAlgorithm)) tbs.fail()
  const issuer = tbs.element(TAG.sequence)
  const validity = tbs.enter(TAG.sequence)
  const notBeforeMs = validity.timeMs()
  const notAfterMs = validity.timeMs()
  validity.finish()
  const subject = tbs.element(TAG.sequence)
  const spki = tbs.element(TAG.sequence)
  if (version >= 2) {
    tbs.optional(implicit(1)) // issuerUniqueID
    tbs.optional(implicit(2)) // subjectUniqueID
  }
  const extensions = readExtensions(version === 3 ? tbs.optional(constructed(3)) : null)
  tbs.finish()
  if (tbs.failed) return { ok: false, detail: 'in its signed part' }
  if (extensions.fault !== '') return { ok: false, detail: `in its extension ${extensions.fault}` }
  const { fault: _, ...read } = extensions
  return {
    ok: true,
    certificate: {
      ...{ der, tbs: tbsBytes, signatureAlgorithm, signature, version },
      ...{ issuer, subject, notBeforeMs, notAfterMs, spki },
      ...read,
    },
  }
}

/** Issuer and subject are the same name. */
export function isSelfIssued(certificate: Certificate): boolean {
  return sameBytes(certificate.issuer, certificate.subject)
}

function readVersion(tbs: DerReader): number {
  const explicit = tbs.optional(constructed(0))
  if (explicit === null) return 1
  const version = explicit.smallInteger() + 1
  explicit.finish()
  if (version > 3) tbs.fail()
  return version
}

interface Extensions {
  names: GeneralNames | null
  basicConstraints: Certificate['basicConstraints']
  keyUsage: number | null
  purposes: string[] | null
  nameConstraints: NameConstraints | null
  unknownCritical: string[]
  authorityKeyId: Uint8Array | null
  subjectKeyId: Uint8Array | null
  /** OID of the first one that is broken; '' for none */
  fault: string
}

function readExtensions(explicit: DerReader | null): Extensions {
  const into: Extensions = {
    names: null,
    basicConstraints: null,
    keyUsage: null,
    purposes: null,
    nameConstraints: null,
    unknownCritical: [],
    authorityKeyId: null,
    subjectKeyId: null,
    fault: '',
  }
  if (explicit === null) return into
  const list = explicit.enter(TAG.sequence)
  explicit.finish()
  if (!list.hasMore) list.fail() // SIZE (1..MAX)
  const seen = new Set<string>()
  while (list.hasMore && into.fault === '') {
    const extension = list.enter(TAG.sequence)
    const id = extension.oid()
    // Many authorities write the default out; it means the same.
    const critical = extension.tag === TAG.boolean && extension.boolean()
    const value = extension.enter(TAG.octetString).rest()
    extension.finish()
    if (list.failed) break
    // RFC 5280 §4.2: no extension twice, or two readers could each take another one.
    const reader = seen.has(id) ? null : new DerReader(value)
    seen.add(id)
    if (reader === null || !readExtension(id, critical, reader, into)) into.fault = id
  }
  return into
}

/** @returns false where the value is broken */
function readExtension(id: string, critical: boolean, value: DerReader, into: Extensions): boolean {
  switch (id) {
    case OID.subjectAltName:
      into.names = readNames(value.enter(TAG.sequence))
      break
    case OID.basicConstraints:
      into.basicConstraints = readBasicConstraints(value.enter(TAG.sequence))
      break
    case OID.keyUsage:
      into.keyUsage = bitsOf(value.bitString())
      break
    case OID.extKeyUsage:
      into.purposes = readPurposes(value.enter(TAG.sequence))
      break
    case OID.nameConstraints:
      into.nameConstraints = readNameConstraints(value.enter(TAG.sequence))
      break
    case OID.subjectKeyIdentifier:
      into.subjectKeyId = value.enter(TAG.octetString).rest()
      break
    case OID.authorityKeyIdentifier: {
      const identifier = value.enter(TAG.sequence)
      into.authorityKeyId = identifier.optional(implicit(0))?.rest() ?? null
      identifier.rest() // authorityCertIssuer and its serial: a hint that we do not need
      break
    }
    // Without an initial policy set these can change nothing (RFC 5280 §6.1.1); policyConstraints could.
    case OID.certificatePolicies:
    case OID.policyMappings:
    case OID.inhibitAnyPolicy:
      return true
    default:
      if (critical) into.unknownCritical.push(id)
      return true
  }
  value.finish()
  return !value.failed
}

function readNames(list: DerReader): GeneralNames {
  const names = noNames()
  if (!list.hasMore) list.fail() // SIZE (1..MAX)
  while (list.hasMore) readGeneralName(list, names)
  return names
}

function readBasicConstraints(fields: DerReader): Certificate['basicConstraints'] {
  const ca = fields.tag === TAG.boolean && fields.boolean()
  const pathLength = fields.tag === TAG.integer ? fields.smallInteger() : null
  // RFC 5280 §4.2.1.9: a path length only where cA is true.
  if (pathLength !== null && !ca) fields.fail()
  fields.finish()
  return { ca, pathLength }
}

function bitsOf(octets: Uint8Array): number {
  let bits = 0
  for (let bit = 0; bit < 9; bit++) if ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) bits |= 1 << bit
  return bits
}

function readPurposes(list: DerReader): string[] {
  const purposes: string[] = []
  if (!list.hasMore) list.fail() // SIZE (1..MAX)
  while (list.hasMore) purposes.push(list.oid())
  return purposes
}

function readNameConstraints(fields: DerReader): NameConstraints {
  const permitted = noNames()
  const excluded = noNames()
  if (!fields.hasMore) fields.fail() // RFC 5280 §4.2.1.10: never empty
  const first = readSubtrees(fields.optional(constructed(0)), permitted)
  const second = readSubtrees(fields.optional(constructed(1)), excluded)
  fields.finish()
  return { permitted, excluded, bounded: first || second }
}

/** @returns whether a subtree is bounded */
function readSubtrees(list: DerReader | null, into: NameCollector): boolean {
  if (list === null) return false
  if (!list.hasMore) list.fail() // SIZE (1..MAX)
  let bounded = false
  while (list.hasMore) {
    const subtree = list.enter(TAG.sequence)
    readGeneralName(subtree, into)
    const minimum = subtree.tag === implicit(0) ? subtree.smallInteger(implicit(0)) : 0
    if (minimum !== 0 || subtree.optional(implicit(1)) !== null) bounded = true
    subtree.finish()
  }
  return bounded
}

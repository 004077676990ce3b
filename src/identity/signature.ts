import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { constructed, DerReader, TAG } from './der.ts'
import { OID } from './oids.ts'

/** Why a key may not be used; null where it may. RSA from 2048 bits, the NIST curves of TLS, Ed25519, Ed448. */
export function keyWeakness(spki: Uint8Array): string | null {
  const info = new DerReader(spki).enter(TAG.sequence)
  const algorithm = info.enter(TAG.sequence)
  const type = algorithm.oid()
  const key = info.bitStringOfOctets()
  info.finish()
  if (info.failed) return 'has a key that cannot be read'
  switch (type) {
    case OID.rsaEncryption:
    case OID.rsassaPss:
      return rsaWeakness(key)
    case OID.ecPublicKey: {
      const curve = algorithm.tag === TAG.oid ? algorithm.oid() : ''
      return CURVES.has(curve)
        ? null
        : 'has an elliptic curve key on a curve that is not P-256, P-384 or P-521'
    }
    case OID.ed25519:
    case OID.ed448:
      return null
    default:
      return 'has a key of a kind that is not RSA, ECDSA or EdDSA'
  }
}

/** Why the algorithm that signed `certificate` is refused; null where it may be used. */
export function signatureWeakness(certificate: Certificate): string | null {
  const type = new DerReader(certificate.signatureAlgorithm).enter(TAG.sequence).oid()
  const old = BROKEN.get(type)
  if (old !== undefined) return `is signed with ${old}`
  return schemeOf(certificate) === null ? 'is signed with an algorithm that is not supported' : null
}

/** The key of an issuer; null where it cannot be used. Costly: keep it. */
export function publicKeyOf(certificate: Certificate): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(certificate.spki), format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

/** Whether `key` made the signature on `certificate`. The algorithm must fit the key and be one we accept. */
export function isSignedBy(certificate: Certificate, key: KeyObject): boolean {
  const scheme = schemeOf(certificate)
  if (scheme === null || !scheme.keys.includes(key.asymmetricKeyType ?? '')) return false
  try {
    return verify(scheme.digest, certificate.tbs, { key, ...scheme.options }, certificate.signature)
  } catch {
    return false
  }
}

interface Scheme {
  /** null: the key says it */
  readonly digest: string | null
  /** key types of node:crypto */
  readonly keys: readonly string[]
  readonly options: { readonly padding?: number; readonly saltLength?: number }
}

function schemeOf(certificate: Certificate): Scheme | null {
  const algorithm = new DerReader(certificate.signatureAlgorithm).enter(TAG.sequence)
  const type = algorithm.oid()
  if (type === OID.rsassaPss) return pssScheme(algorithm)
  // ECDSA and EdDSA have no parameters; PKCS #1 has NULL, which some leave out.
  algorithm.optional(TAG.null)?.finish()
  algorithm.finish()
  return algorithm.failed ? null : (SCHEMES.get(type) ?? null)
}

/** Only the three forms in use: one digest for content and mask, salt as long as it (RFC 8446 §4.2.3). */
function pssScheme(algorithm: DerReader): Scheme | null {
  const fields = algorithm.enter(TAG.sequence)
  const digest = digestOf(fields.enter(constructed(0)))
  const mask = fields.enter(constructed(1)).enter(TAG.sequence)
  const maskType = mask.oid()
  const maskDigest = digestOf(mask)
  const saltLength = fields.enter(constructed(2)).smallInteger()
  const trailer = fields.optional(constructed(3))?.smallInteger() ?? 1
  fields.finish()
  algorithm.finish()
  const sound = !algorithm.failed && maskType === OID.mgf1 && digest === maskDigest && trailer === 1
  const known = PSS_DIGESTS.get(digest)
  if (!sound || known === undefined || known.bytes !== saltLength) return null
  return {
    digest: known.name,
    keys: ['rsa', 'rsa-pss'],
    options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
  }
}

function digestOf(holder: DerReader): string {
  const algorithm = holder.enter(TAG.sequence)
  const type = algorithm.oid()
  algorithm.optional(TAG.null)?.finish()
  algorithm.finish()
  holder.finish()
  return type
}

function rsaWeakness(key: Uint8Array): string | null {
  const fields = new DerReader(key).enter(TAG.sequence)
  const modulus = fields.integer()
  const exponent = fields.smallInteger()
  fields.finish()
  const start = modulus[0] === 0 ? 1 : 0
  const bits = (modulus.length - start) * 8 - Math.clz32(modulus[start] ?? 0) + 24
  if (fields.failed || (modulus[0] ?? 0x80) >= 0x80) return 'has an RSA key that cannot be read'
  if (bits < RSA_MIN_BITS) return `has an RSA key of ${bits} bits; ${RSA_MIN_BITS} are needed`
  if (bits > RSA_MAX_BITS) return `has an RSA key of ${bits} bits; at most ${RSA_MAX_BITS} are accepted`
  const sound = exponent >= 3 && exponent % 2 === 1 && exponent <= RSA_MAX_EXPONENT
  return sound ? null : 'has an RSA key with a bad exponent'
}

// What a key must be is a matter of cryptography, not of load: no limit to configure.
const RSA_MIN_BITS = 2048
const RSA_MAX_BITS = 8192
// One as long as the modulus makes checking a signature as dear as making it; 65537 is what everybody has.
const RSA_MAX_EXPONENT = 2 ** 31 - 2

const CURVES: ReadonlySet<string> = new Set([OID.prime256v1, OID.secp384r1, OID.secp521r1])

const BROKEN: ReadonlyMap<string, string> = new Map([
  [OID.md2WithRsa, 'MD2'],
  [OID.md5WithRsa, 'MD5'],
  [OID.sha1WithRsa, 'SHA-1'],
  [OID.ecdsaWithSha1, 'SHA-1'],
])

const rsa = (digest: string): Scheme => ({ digest, keys: ['rsa'], options: {} })
const ecdsa = (digest: string): Scheme => ({ digest, keys: ['ec'], options: {} })
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  [OID.sha256WithRsa, rsa('sha256')],
  [OID.sha384WithRsa, rsa('sha384')],
  [OID.sha512WithRsa, rsa('sha512')],
  [OID.ecdsaWithSha256, ecdsa('sha256')],
  [OID.ecdsaWithSha384, ecdsa('sha384')],
  [OID.ecdsaWithSha512, ecdsa('sha512')],
  [OID.ed25519, { digest: null, keys: ['ed25519'], options: {} }],
  [OID.ed448, { digest: null, keys: ['ed448'], options: {} }],
])

const PSS_DIGESTS: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map([
  [OID.sha256, { name: 'sha256', bytes: 32 }],
  [OID.sha384, { name: 'sha384', bytes: 48 }],
  [OID.sha512, { name: 'sha512', bytes: 64 }],
])

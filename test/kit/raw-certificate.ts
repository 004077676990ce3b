import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { constructed, implicit, TAG } from '../../src/identity/der.ts'
import {
  ascii,
  bitString,
  der,
  oid,
  sequence,
  setOf,
  TRUE,
  time,
  utf8,
} from '../../src/identity/der-write.ts'
import { OID } from '../../src/identity/oids.ts'
import { dnsName } from './alternative-names.ts'

// Certificates with every field of our choice, for what neither openssl nor our own minting would ever write.

const HOUR = 3_600_000

export const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

export const spkiOf = (key: KeyObject): Uint8Array =>
  createPublicKey(key).export({ format: 'der', type: 'spki' })

export const commonName = (name: string): Uint8Array =>
  sequence(setOf(sequence(oid(OID.commonName), der(TAG.utf8String, utf8(name)))))

export const extension = (id: string, value: Uint8Array, critical = false): Uint8Array =>
  sequence(oid(id), ...(critical ? [TRUE] : []), der(TAG.octetString, value))

export const FIELDS = {
  ca: extension(OID.basicConstraints, sequence(TRUE), true),
  server: extension(OID.extKeyUsage, sequence(oid(OID.serverAuth))),
  names: (...names: readonly string[]) => extension(OID.subjectAltName, sequence(...names.map(dnsName))),
} as const

export interface RawFields {
  /** the whole [0] element, or nothing; default: version 3 */
  readonly version?: Uint8Array
  /** default: INTEGER 1 */
  readonly serial?: Uint8Array
  /** AlgorithmIdentifier without and within what is signed; default: the true one */
  readonly algorithm?: Uint8Array
  /** within; default: the same */
  readonly innerAlgorithm?: Uint8Array
  /** default: a true one */
  readonly signature?: Uint8Array
  readonly issuer?: Uint8Array
  readonly subject?: Uint8Array
  /** two times; default: an hour ago, in an hour */
  readonly validity?: readonly Uint8Array[]
  readonly spki?: Uint8Array
  /** behind the key: unique identifiers, extensions; default: those of `extensions` */
  readonly tail?: readonly Uint8Array[]
  readonly extensions?: readonly Uint8Array[]
  /** the issuer's; default: `key` */
  readonly signer?: KeyObject
  readonly key: KeyObject
}

const ECDSA_SHA256: Uint8Array = sequence(oid(OID.ecdsaWithSha256))

export function rawCertificate(fields: RawFields): Uint8Array {
  const now = Date.now()
  const { extensions = [], algorithm = ECDSA_SHA256 } = fields
  const tbs = sequence(
    fields.version ?? der(constructed(0), der(TAG.integer, Uint8Array.of(2))),
    fields.serial ?? der(TAG.integer, Uint8Array.of(1)),
    fields.innerAlgorithm ?? algorithm,
    fields.issuer ?? commonName('Raw root'),
    sequence(...(fields.validity ?? [time(now - HOUR), time(now + HOUR)])),
    fields.subject ?? commonName('raw'),
    fields.spki ?? spkiOf(fields.key),
    ...(fields.tail ?? (extensions.length > 0 ? [der(constructed(3), sequence(...extensions))] : [])),
  )
  const signature = fields.signature ?? sign('sha256', tbs, fields.signer ?? fields.key)
  return sequence(tbs, algorithm, bitString(signature))
}

export const rsaSpki = (modulus: Uint8Array, exponent: Uint8Array): Uint8Array =>
  sequence(
    sequence(oid(OID.rsaEncryption), der(TAG.null)),
    bitString(sequence(der(TAG.integer, modulus), der(TAG.integer, exponent))),
  )

export const utcTime = (text: string): Uint8Array => der(TAG.utcTime, ascii(text))
export const generalizedTime = (text: string): Uint8Array => der(TAG.generalizedTime, ascii(text))
export const uniqueId = (number: 1 | 2): Uint8Array => der(implicit(number), Uint8Array.of(0, 1))

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { constructed, DerReader, implicit, TAG } from './der.ts'
import {
  ascii,
  bitString,
  der,
  namedBits,
  oid,
  sequence,
  setOf,
  TRUE,
  time,
  unsigned,
  utf8,
} from './der-write.ts'
import { OID } from './oids.ts'
import { readPemCertificates, writePem } from './pem.ts'

// Minting: certificates of our own authority, ECDSA P-256 with SHA-256, for the demo, for tests, and for a local server
// that insists on TLS (DECISIONS 15). Not for the public network: there is no revocation and no storage here.

/** Something that can sign certificates. Its key never leaves the caller's hands but through `keyPem`. */
export interface Authority {
  readonly certificate: Uint8Array
  readonly certificatePem: string
  /** PKCS #8, unencrypted: a secret */
  readonly keyPem: string
  readonly key: KeyObject
  /** DER Name, as it becomes the issuer of what it signs */
  readonly subject: Uint8Array
  readonly keyIdentifier: Uint8Array
}

export interface Minted {
  readonly certificate: Uint8Array
  readonly certificatePem: string
  /** PKCS #8, unencrypted: a secret */
  readonly keyPem: string
}

export type Purpose = 'serverAuth' | 'clientAuth' | 'anyExtendedKeyUsage'

export interface Validity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export interface AuthorityOptions extends Validity {
  readonly commonName: string
  /** 8 to 20 random octets; the top bit is not used */
  readonly serial: Uint8Array
  /** how many authorities may follow below it; absent: any number */
  readonly pathLength?: number
  readonly ekus?: readonly Purpose[]
  readonly nameConstraints?: {
    /** dNSName subtrees */
    readonly permitted?: readonly string[]
    readonly excluded?: readonly string[]
  }
}

export interface LeafOptions extends Validity {
  /** A-labels, as dNSName; the first is the subject's CN too, which nobody should read */
  readonly dnsNames: readonly string[]
  /** e.g. '_xmpp-server.capulet.example' */
  readonly srvNames?: readonly string[]
  readonly xmppAddrs?: readonly string[]
  /** none: no extension */
  readonly ekus: readonly Purpose[]
  /** 8 to 20 random octets; the top bit is not used */
  readonly serial: Uint8Array
  /** P-256; absent: a new one */
  readonly keyPem?: string
}

/** A root: signed by its own new key. */
export function createAuthority(options: AuthorityOptions): Authority {
  return makeAuthority(null, options)
}

/** An intermediate: an authority below `issuer`. */
export function issueAuthority(issuer: Authority, options: AuthorityOptions): Authority {
  return makeAuthority(issuer, options)
}

/** A certificate for a host: no authority, digitalSignature only. */
export function issue(issuer: Authority, options: LeafOptions): Minted {
  const key = options.keyPem === undefined ? newKey() : createPrivateKey(options.keyPem)
  const spki = publicKeyOf(key)
  const [first = ''] = options.dnsNames
  // A CN holds at most 64 characters (RFC 5280 appendix A.1); without it the alternative names must be critical.
  const subject = first !== '' && first.length <= 64 ? commonName(first) : sequence()
  const names = [
    ...options.dnsNames.map(name => der(implicit(2), ascii(name))),
    ...(options.xmppAddrs ?? []).map(name => otherName(OID.xmppAddr, TAG.utf8String, utf8(name))),
    ...(options.srvNames ?? []).map(name => otherName(OID.srvName, TAG.ia5String, ascii(name))),
  ]
  const certificate = signCertificate(issuer, {
    ...options,
    subject,
    spki,
    extensions: [
      extension(OID.basicConstraints, true, sequence()),
      extension(OID.keyUsage, true, namedBits([KEY_USAGE.digitalSignature])),
      ...purposes(options.ekus),
      ...(names.length > 0 ? [extension(OID.subjectAltName, subject.length === 2, sequence(...names))] : []),
      extension(OID.subjectKeyIdentifier, false, der(TAG.octetString, keyIdentifierOf(spki))),
      extension(OID.authorityKeyIdentifier, false, sequence(der(implicit(0), issuer.keyIdentifier))),
    ],
  })
  return { certificate, certificatePem: writePem('CERTIFICATE', certificate), keyPem: pemOf(key) }
}

/** An authority made earlier. Throws where the texts are not a certificate and a private key. */
export function loadAuthority(pem: { certificatePem: string; keyPem: string }): Authority {
  const read = readPemCertificates(pem.certificatePem)
  const certificate = read.ok ? read.certificates[0] : undefined
  const subject = certificate === undefined ? null : subjectOf(certificate)
  if (certificate === undefined || subject === null) throw new TypeError('not a PEM certificate')
  const key = createPrivateKey(pem.keyPem)
  return { ...pem, certificate, key, subject, keyIdentifier: keyIdentifierOf(publicKeyOf(key)) }
}

function subjectOf(certificate: Uint8Array): Uint8Array | null {
  const tbs = new DerReader(certificate).enter(TAG.sequence).enter(TAG.sequence)
  tbs.optional(constructed(0))
  tbs.integer() // serial
  for (let field = 0; field < 3; field++) tbs.element(TAG.sequence) // signature, issuer, validity
  const subject = tbs.element(TAG.sequence)
  return tbs.failed ? null : subject
}

function makeAuthority(issuer: Authority | null, options: AuthorityOptions): Authority {
  const key = newKey()
  const spki = publicKeyOf(key)
  const subject = commonName(options.commonName)
  const keyIdentifier = keyIdentifierOf(spki)
  const pathLength = options.pathLength === undefined ? [] : [unsigned(Uint8Array.of(options.pathLength))]
  const certificate = signCertificate(issuer ?? { key, subject }, {
    ...options,
    subject,
    spki,
    extensions: [
      extension(OID.basicConstraints, true, sequence(TRUE, ...pathLength)),
      extension(OID.keyUsage, true, namedBits([KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign])),
      ...purposes(options.ekus ?? []),
      ...constraints(options.nameConstraints),
      extension(OID.subjectKeyIdentifier, false, der(TAG.octetString, keyIdentifier)),
      ...(issuer === null
        ? []
        : [extension(OID.authorityKeyIdentifier, false, sequence(der(implicit(0), issuer.keyIdentifier)))]),
    ],
  })
  return {
    certificate,
    certificatePem: writePem('CERTIFICATE', certificate),
    keyPem: pemOf(key),
    key,
    subject,
    keyIdentifier,
  }
}

interface ToBeSigned extends Validity {
  readonly serial: Uint8Array
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly extensions: readonly Uint8Array[]
}

function signCertificate(issuer: { key: KeyObject; subject: Uint8Array }, wanted: ToBeSigned): Uint8Array {
  if (wanted.serial.length < 8 || wanted.serial.length > 20) throw new TypeError('serial: 8 to 20 octets')
  const serial = Uint8Array.from(wanted.serial)
  // Positive, and never shortened (RFC 5280 §4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const tbs = sequence(
    der(constructed(0), unsigned(Uint8Array.of(2))),
    unsigned(serial),
    algorithm,
    issuer.subject,
    sequence(time(wanted.notBeforeMs), time(wanted.notAfterMs)),
    wanted.subject,
    wanted.spki,
    der(constructed(3), sequence(...wanted.extensions)),
  )
  return sequence(tbs, algorithm, bitString(sign('sha256', tbs, issuer.key)))
}

// RFC 5280 §4.2.1.3: bit numbers
const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [TRUE] : []), der(TAG.octetString, value))
}

function purposes(ekus: readonly Purpose[]): Uint8Array[] {
  if (ekus.length === 0) return []
  return [extension(OID.extKeyUsage, false, sequence(...ekus.map(eku => oid(OID[eku]))))]
}

function constraints(wanted: AuthorityOptions['nameConstraints']): Uint8Array[] {
  if (wanted === undefined) return []
  const subtrees = (tag: number, names: readonly string[] = []): Uint8Array[] =>
    names.length === 0 ? [] : [der(tag, ...names.map(name => sequence(der(implicit(2), ascii(name)))))]
  const value = sequence(
    ...subtrees(constructed(0), wanted.permitted),
    ...subtrees(constructed(1), wanted.excluded),
  )
  return [extension(OID.nameConstraints, true, value)]
}

function otherName(id: string, tag: number, value: Uint8Array): Uint8Array {
  return der(constructed(0), oid(id), der(constructed(0), der(tag, value)))
}

function commonName(name: string): Uint8Array {
  return sequence(setOf(sequence(oid(OID.commonName), der(TAG.utf8String, utf8(name)))))
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function publicKeyOf(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'der', type: 'spki' })
}

function pemOf(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** The leftmost 160 bits of SHA-256 over the SPKI (RFC 7093 §2, method 4). */
function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  return createHash('sha256').update(spki).digest().subarray(0, 20)
}

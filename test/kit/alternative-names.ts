import { constructed, implicit, TAG } from '../../src/identity/der.ts'
import { ascii, der, oid, sequence, utf8 } from '../../src/identity/der-write.ts'
import { OID } from '../../src/identity/oids.ts'

// GeneralNames byte by byte, for what the openssl command will not write; and extensions of such bytes for it.

export const dnsName = (name: string): Uint8Array => der(implicit(2), ascii(name))
export const ipAddress = (...octets: readonly number[]): Uint8Array =>
  der(implicit(7), Uint8Array.from(octets))
export const otherName = (type: string, value: Uint8Array): Uint8Array =>
  der(constructed(0), oid(type), der(constructed(0), value))
export const xmppAddr = (name: string): Uint8Array => otherName(OID.xmppAddr, der(TAG.utf8String, utf8(name)))
export const srvName = (name: string): Uint8Array => otherName(OID.srvName, der(TAG.ia5String, ascii(name)))

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A line of an openssl extension section. */
export const subjectAltName = (...names: readonly Uint8Array[]): string =>
  `${OID.subjectAltName}=DER:${hexOf(sequence(...names))}`

/** @param subtrees each a GeneralName, or one with minimum and maximum behind it */
export const nameConstraints = (wanted: {
  readonly permitted?: readonly Uint8Array[]
  readonly excluded?: readonly Uint8Array[]
}): string => {
  const list = (tag: number, subtrees: readonly Uint8Array[] = []) =>
    subtrees.length === 0 ? [] : [der(tag, ...subtrees.map(subtree => sequence(subtree)))]
  const value = sequence(...list(constructed(0), wanted.permitted), ...list(constructed(1), wanted.excluded))
  return `${OID.nameConstraints}=critical,DER:${hexOf(value)}`
}

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { constructed, TAG } from '../../../src/identity/der.ts'
import { der, oid, sequence, setOf } from '../../../src/identity/der-write.ts'
import { checkPath, createTrustStore } from '../../../src/identity/index.ts'
import { OID } from '../../../src/identity/oids.ts'
import { writePem } from '../../../src/identity/pem.ts'
import { commonName, extension, FIELDS, newKey, rawCertificate } from '../../kit/raw-certificate.ts'

// RFC 5280 §7.1: the same name in another alphabet, case or spacing is the same name, for constraints above all.

const key = newKey()

function check(kind: 'permitted' | 'excluded', subtree: Uint8Array, subject: Uint8Array): string {
  const list = der(constructed(kind === 'permitted' ? 0 : 1), sequence(der(constructed(4), subtree)))
  const root = rawCertificate({
    key,
    subject: commonName('Raw root'),
    extensions: [FIELDS.ca, extension(OID.nameConstraints, sequence(list), true)],
  })
  const leaf = rawCertificate({
    key: newKey(),
    signer: key,
    subject,
    extensions: [FIELDS.names('a.example')],
  })
  const trust = createTrustStore({ roots: [writePem('CERTIFICATE', root)] })
  const result = checkPath([leaf], trust, Date.now(), defaultLimits)
  return result.ok ? 'kept' : result.reason
}

const part = (tag: number, value: string | Uint8Array, type: string = OID.commonName) =>
  sequence(oid(type), der(tag, typeof value === 'string' ? Buffer.from(value, 'latin1') : value))
const name = (...parts: readonly Uint8Array[]) => sequence(...parts.map(each => setOf(each)))
const wide = (text: string, octets: 2 | 4) =>
  Buffer.from([...text].flatMap(letter => [...new Array<number>(octets - 1).fill(0), letter.charCodeAt(0)]))

const inUtf8 = name(part(TAG.utf8String, 'Romeo 1'))
describe('the same directory name', () => {
  it.each([
    ['in UTF8String', name(part(TAG.utf8String, 'Romeo 1'))],
    ['in PrintableString', name(part(TAG.printableString, 'Romeo 1'))],
    ['in IA5String', name(part(TAG.ia5String, 'Romeo 1'))],
    ['in VisibleString', name(part(TAG.visibleString, 'Romeo 1'))],
    ['in TeletexString', name(part(TAG.teletexString, 'Romeo 1'))],
    ['in BMPString', name(part(TAG.bmpString, wide('Romeo 1', 2)))],
    ['in UniversalString', name(part(TAG.universalString, wide('Romeo 1', 4)))],
    ['in other case', name(part(TAG.utf8String, 'ROMEO 1'))],
    ['with more spaces', name(part(TAG.utf8String, '  Romeo   1 '))],
    ['with full-width letters', name(part(TAG.utf8String, Buffer.from('\uff32omeo 1')))],
    ['with more below it', name(part(TAG.utf8String, 'Romeo 1'), part(TAG.utf8String, 'x', '2.5.4.11'))],
  ])('%s', (_title, subject) => {
    expect(check('excluded', inUtf8, subject)).toBe('name-constraints')
    expect(check('permitted', inUtf8, subject)).toBe('kept')
  })

  it.each([
    ['of another value', name(part(TAG.utf8String, 'Romeo 2'))],
    ['of another attribute', name(part(TAG.utf8String, 'Romeo 1', '2.5.4.11'))],
    ['below another', name(part(TAG.utf8String, 'x', '2.5.4.11'), part(TAG.utf8String, 'Romeo 1'))],
    [
      'within a longer relative name',
      sequence(setOf(part(TAG.utf8String, 'Romeo 1'), part(TAG.utf8String, 'x', '2.5.4.11'))),
    ],
  ])('is not one %s', (_title, subject) => {
    expect(check('excluded', inUtf8, subject)).toBe('kept')
    expect(check('permitted', inUtf8, subject)).toBe('name-constraints')
  })

  it('NumericString is text too', () => {
    const number = (tag: number) => name(part(tag, '1', '2.5.4.5'))
    expect(check('excluded', number(TAG.printableString), number(TAG.numericString))).toBe('name-constraints')
  })

  it('what cannot be read breaks every constraint', () => {
    for (const subject of [
      name(part(TAG.bmpString, wide('Romeo 1', 2).subarray(1))),
      name(part(TAG.universalString, wide('Romeo 1', 4).subarray(1))),
      sequence(der(TAG.set)),
      sequence(der(TAG.sequence)),
      sequence(setOf(der(TAG.sequence))),
    ])
      for (const kind of ['permitted', 'excluded'] as const)
        expect(check(kind, inUtf8, subject)).toBe('name-constraints')
  })

  it('no subject at all is bound by none, and the empty subtree holds all', () => {
    expect(check('permitted', inUtf8, sequence())).toBe('kept')
    expect(check('excluded', sequence(), inUtf8)).toBe('name-constraints')
    expect(check('permitted', sequence(), inUtf8)).toBe('kept')
  })
})

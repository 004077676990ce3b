import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { constructed, TAG } from '../../../src/identity/der.ts'
import { der, oid, sequence } from '../../../src/identity/der-write.ts'
import { parseCertificate } from '../../../src/identity/index.ts'
import { OID } from '../../../src/identity/oids.ts'
import { testAuthority } from '../../kit/authority.ts'
import {
  extension,
  FIELDS,
  generalizedTime,
  newKey,
  type RawFields,
  rawCertificate,
  uniqueId,
  utcTime,
} from '../../kit/raw-certificate.ts'

const key = newKey()
const names = FIELDS.names('capulet.example')
const version = (number: number) => der(constructed(0), der(TAG.integer, Uint8Array.of(number)))
const serial = (...octets: readonly number[]) => der(TAG.integer, Uint8Array.from(octets))
const extensions = (...list: readonly Uint8Array[]) => der(constructed(3), sequence(...list))
const year = (text: string) => generalizedTime(`${text}0101000000Z`)

describe('fields of a certificate', () => {
  const sound: readonly (readonly [title: string, fields: Omit<RawFields, 'key'>])[] = [
    ['version 3', { extensions: [names] }],
    ['version 3 without extensions', {}],
    ['version 1', { version: new Uint8Array() }],
    ['version 1 written out', { version: version(0) }],
    ['version 2 with unique identifiers', { version: version(1), tail: [uniqueId(1), uniqueId(2)] }],
    ['serial 0', { serial: serial(0) }],
    ['a negative serial', { serial: serial(0xff, 0x01) }],
    ['a serial of 40 octets', { serial: serial(...Array.from({ length: 40 }, () => 0x11)) }],
    ['no end', { validity: [utcTime('250101000000Z'), generalizedTime('99991231235959Z')] }],
    ['an end before the beginning', { validity: [year('2051'), year('2050')] }],
    ['an unknown extension', { extensions: [extension('1.2.3.4', Uint8Array.of(1, 2, 3))] }],
    [
      'a critical FALSE written out',
      {
        extensions: [sequence(oid('1.2.3.4'), der(TAG.boolean, Uint8Array.of(0)), der(TAG.octetString))],
      },
    ],
  ]
  it.each(sound)('%s is read', (_title, fields) => {
    expect(parseCertificate(rawCertificate({ key, ...fields }))).toMatchObject({ ok: true })
  })

  const malformed: readonly (readonly [title: string, fields: Omit<RawFields, 'key'>, detail?: string])[] = [
    ['version 4', { version: version(3) }],
    ['a negative version', { version: version(0xff) }],
    ['extensions in version 1', { version: new Uint8Array(), tail: [extensions(names)] }],
    ['extensions in version 2', { version: version(1), tail: [extensions(names)] }],
    ['an empty list of extensions', { tail: [extensions()] }],
    ['something behind the extensions', { tail: [extensions(names), der(TAG.null)] }],
    ['an empty serial', { serial: serial() }],
    ['a padded serial', { serial: serial(0, 1) }],
    ['another algorithm within', { innerAlgorithm: sequence(oid(OID.ecdsaWithSha384)) }],
    [
      'the same algorithm in other words',
      { innerAlgorithm: sequence(oid(OID.ecdsaWithSha256), der(TAG.null)) },
    ],
    ['one time', { validity: [year('2025')] }],
    ['three times', { validity: [year('2025'), year('2050'), year('2051')] }],
    ['the 30th of February', { validity: [utcTime('250230000000Z'), year('2050')] }],
    ['a time with a zone', { validity: [utcTime('250101000000+0100'), year('2050')] }],
    ['a time without seconds', { validity: [utcTime('2501010000Z'), year('2050')] }],
    ['a time with fractions', { validity: [generalizedTime('20250101000000.1Z'), year('2050')] }],
    ['a name that is no list', { subject: der(TAG.set) }],
    ['the names twice', { extensions: [names, FIELDS.names('other.example')] }, 'in its extension 2.5.29.17'],
    [
      'an unknown extension twice',
      { extensions: [1, 2].map(n => extension('1.2.3.4', Uint8Array.of(n))) },
      'in its extension 1.2.3.4',
    ],
    ['critical as INTEGER', { extensions: [sequence(oid('1.2.3.4'), serial(1), der(TAG.octetString))] }],
    [
      'critical as 1',
      { extensions: [sequence(oid('1.2.3.4'), der(TAG.boolean, Uint8Array.of(1)), der(TAG.octetString))] },
    ],
    [
      'a negative path length',
      {
        extensions: [
          extension(OID.basicConstraints, sequence(der(TAG.boolean, Uint8Array.of(0xff)), serial(0xff))),
        ],
      },
      'in its extension 2.5.29.19',
    ],
    [
      'key usage as OCTET STRING',
      { extensions: [extension(OID.keyUsage, der(TAG.octetString))] },
      'in its extension 2.5.29.15',
    ],
    [
      'an extension that is empty',
      { extensions: [extension(OID.extKeyUsage, new Uint8Array())] },
      'in its extension 2.5.29.37',
    ],
  ]
  const rows = malformed.map(
    ([title, fields, detail = 'in its signed part']) => [title, fields, detail] as const,
  )
  it.each(rows)('%s is malformed', (_title, fields, detail) => {
    expect(parseCertificate(rawCertificate({ key, ...fields }))).toEqual({ ok: false, detail })
  })

  it('nothing may stand behind it', () => {
    const bytes = rawCertificate({ key })
    expect(parseCertificate(Buffer.concat([bytes, Uint8Array.of(0)]))).toEqual({
      ok: false,
      detail: 'in its outer structure',
    })
    expect(parseCertificate(sequence(bytes, bytes))).toMatchObject({ ok: false })
  })

  it('criticality is kept for what is not known', () => {
    const read = parseCertificate(
      rawCertificate({ key, extensions: [names, extension('1.2.3.4', Uint8Array.of(), true)] }),
    )
    expect(read).toMatchObject({ ok: true, certificate: { unknownCritical: ['1.2.3.4'] } })
  })
})

describe('hostile bytes', () => {
  const authority = testAuthority({ permitted: ['example'] })
  const chain = authority.issue({
    dns: ['capulet.example'],
    srv: ['_xmpp-server.capulet.example'],
    xmpp: ['capulet.example'],
  }).chainDer
  const [leaf = new Uint8Array(), issuer = new Uint8Array()] = chain

  it('every prefix of a certificate is malformed', () => {
    for (const bytes of [leaf, issuer])
      for (let length = 0; length < bytes.length; length++)
        expect(parseCertificate(bytes.subarray(0, length)).ok, String(length)).toBe(false)
  })

  it('a changed byte never makes it throw', () => {
    for (const bytes of [leaf, issuer])
      for (let at = 0; at < bytes.length; at++)
        for (const value of [0x00, 0x1f, 0x30, 0x80, 0x84, 0xff]) {
          const changed = Uint8Array.from(bytes)
          changed[at] = value
          const read = parseCertificate(changed)
          if (!read.ok) expect(read.detail).toMatch(/^in its (outer structure|signed part|extension [\d.]+)$/)
        }
  })

  it('random bytes and random edits never make it throw', () => {
    const edit = fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 8 }), fc.uint8Array({ maxLength: 8 }))
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 6 }), fc.uint8Array({ maxLength: 200 }), (edits, noise) => {
        let bytes: Uint8Array = leaf
        for (const [at, cut, put] of edits)
          bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)])
        expect(typeof parseCertificate(bytes).ok).toBe('boolean')
        expect(parseCertificate(noise).ok).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})

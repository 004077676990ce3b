import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { constructed, DerReader, TAG } from '../../../src/identity/der.ts'
import {
  bitString,
  der,
  namedBits,
  oid,
  sequence,
  setOf,
  time,
  unsigned,
} from '../../../src/identity/der-write.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')
const reading = <T>(bytes: Uint8Array, read: (reader: DerReader) => T): T | 'failed' => {
  const reader = new DerReader(bytes)
  const value = read(reader)
  reader.finish()
  return reader.failed ? 'failed' : value
}
const all = (reader: DerReader) => Buffer.from(reader.enterAny().rest()).toString('hex')

describe('DER lengths', () => {
  it.each([
    ['04 00', ''],
    ['04 01 61', '61'],
    [`04 81 80 ${'61'.repeat(128)}`, '61'.repeat(128)],
    [`04 82 01 00 ${'61'.repeat(256)}`, '61'.repeat(256)],
    ['', 'failed'],
    ['04', 'failed'],
    ['04 01', 'failed'],
    ['04 00 00', 'failed'], // something behind
    ['24 80 04 01 61 00 00', 'failed'], // indefinite
    ['04 81 01 61', 'failed'], // not the shortest
    [`04 82 00 80 ${'61'.repeat(128)}`, 'failed'],
    ['04 84 ff ff ff ff', 'failed'],
    ['04 85 00 00 00 00 01 61', 'failed'],
    ['04 ff 61', 'failed'],
    ['04 82 01', 'failed'],
    ['1f 1f 00', 'failed'], // tag number above 30
  ])('%s', (bytes, content) => expect(reading(hex(bytes), all)).toBe(content))
})

describe('DER values', () => {
  it.each([
    ['01 01 00', false],
    ['01 01 ff', true],
    ['01 01 01', 'failed'],
    ['01 00', 'failed'],
    ['01 02 ff ff', 'failed'],
    ['02 01 ff', 'failed'],
  ])('boolean %s', (bytes, value) => expect(reading(hex(bytes), reader => reader.boolean())).toBe(value))

  it.each([
    ['02 01 00', 0],
    ['02 01 7f', 127],
    ['02 02 00 80', 128],
    ['02 04 7f ff ff ff', 0x7fff_ffff],
    ['02 09 00 ff ff ff ff ff ff ff ff', 0x7fff_ffff], // larger: given as the largest
    ['02 01 80', 'failed'], // negative
    ['02 00', 'failed'],
    ['02 02 00 7f', 'failed'], // not the shortest
    ['02 02 ff 80', 'failed'],
  ])('integer %s', (bytes, value) => expect(reading(hex(bytes), reader => reader.smallInteger())).toBe(value))

  it.each([
    ['06 03 55 1d 11', '2.5.29.17'],
    ['06 01 27', '0.39'],
    ['06 01 28', '1.0'],
    ['06 02 88 37', '2.999'],
    ['06 03 2b 8f 7f', '1.3.2047'],
    [`06 14 69 83 ${'ff'.repeat(17)} 7f`, '2.25.340282366920938463463374607431768211455'], // a UUID
    ['06 00', 'failed'],
    ['06 02 2b 86', 'failed'], // unfinished
    ['06 03 2b 80 01', 'failed'], // padded
    ['06 01 80', 'failed'],
    [`06 41 ${'2a'.repeat(65)}`, 'failed'],
  ])('object identifier %s', (bytes, value) => {
    expect(reading(hex(bytes), reader => reader.oid())).toBe(value)
  })

  it.each([
    ['03 02 00 80', '80'],
    ['03 02 07 80', '80'],
    ['03 01 00', ''],
    ['03 00', 'failed'],
    ['03 01 01', 'failed'],
    ['03 02 08 80', 'failed'],
    ['03 02 07 81', 'failed'], // unused bits that are set
  ])('bit string %s', (bytes, value) =>
    expect(reading(hex(bytes), reader => Buffer.from(reader.bitString()).toString('hex'))).toBe(value),
  )

  it.each([
    ['03 02 00 80', '80'],
    ['03 02 07 80', 'failed'], // no whole octet
    ['03 01 00', ''],
  ])('bit string of octets %s', (bytes, value) =>
    expect(reading(hex(bytes), reader => Buffer.from(reader.bitStringOfOctets()).toString('hex'))).toBe(
      value,
    ),
  )

  const text = (tag: number, value: string) => der(tag, Buffer.from(value, 'latin1'))
  it.each([
    ['491231235959Z', Date.UTC(2049, 11, 31, 23, 59, 59)],
    ['500101000000Z', Date.UTC(1950, 0, 1)],
    ['240229000000Z', Date.UTC(2024, 1, 29)],
    ['230229000000Z', 'failed'],
    ['230230000000Z', 'failed'],
    ['230431000000Z', 'failed'],
    ['231301000000Z', 'failed'],
    ['230100000000Z', 'failed'],
    ['230101240000Z', 'failed'],
    ['230101006000Z', 'failed'],
    ['230101000060Z', 'failed'],
    ['2301010000Z', 'failed'],
    ['230101000000+0000', 'failed'],
    ['230101000000', 'failed'],
    ['-30101000000Z', 'failed'],
    ['230101000000Z\n', 'failed'],
    ['\u0662\u0663\u0660101000000Z', 'failed'],
  ])('UTCTime %j', (value, ms) =>
    expect(reading(text(TAG.utcTime, value), reader => reader.timeMs())).toBe(ms),
  )
  it.each([
    ['20500101000000Z', Date.UTC(2050, 0, 1)],
    ['99991231235959Z', Date.UTC(9999, 11, 31, 23, 59, 59)],
    ['00000101000000Z', Date.parse('0000-01-01T00:00:00Z')],
    ['20500101000000.5Z', 'failed'],
    ['20500101000000', 'failed'],
    ['205001010000Z', 'failed'],
  ])('GeneralizedTime %j', (value, ms) =>
    expect(reading(text(TAG.generalizedTime, value), reader => reader.timeMs())).toBe(ms),
  )
})

describe('what is written', () => {
  it('is read again, and refused where a byte is missing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000, size: 'max' }), content => {
        const written = sequence(der(TAG.octetString, content))
        const read = reading(written, reader => reader.enter(TAG.sequence).enter(TAG.octetString).rest())
        expect(read !== 'failed' && Buffer.compare(read, content)).toBe(0)
        expect(reading(written.subarray(0, -1), all)).toBe('failed')
      }),
      { numRuns: 60 },
    )
  })

  it('numbers, identifiers, bits, times and sets are as DER has them', () => {
    const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
    expect(toHex(unsigned(hex('00 00 80')))).toBe('02020080')
    expect(toHex(unsigned(hex('')))).toBe('020100')
    expect(toHex(oid('2.999.16384'))).toBe('06058837818000')
    expect(toHex(namedBits([0, 5]))).toBe('03020284')
    expect(toHex(namedBits([8]))).toBe('0303070080')
    expect(toHex(namedBits([]))).toBe('030100')
    expect(toHex(bitString(hex('f0'), 4))).toBe('030204f0')
    expect(toHex(setOf(hex('0401ff'), hex('040101')))).toBe('31060401010401ff')
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1950-01-01Z'), max: new Date('9999-12-31Z'), noInvalidDate: true }),
        date => {
          const ms = Math.floor(date.getTime() / 1000) * 1000
          expect(reading(time(ms), reader => reader.timeMs())).toBe(ms)
        },
      ),
    )
  })
})

describe('hostile bytes', () => {
  const reads: ((reader: DerReader) => unknown)[] = [
    reader => reader.boolean(),
    reader => reader.integer(),
    reader => reader.smallInteger(),
    reader => reader.oid(),
    reader => reader.bitString(),
    reader => reader.timeMs(),
    reader => reader.element(),
    reader => reader.enterAny().enterAny().rest(),
    reader => reader.optional(constructed(0))?.oid(),
    reader => reader.rest(),
  ]
  it('never throw, never lead outside, and stay failed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.integer({ min: 0, max: reads.length - 1 }), { maxLength: 8 }),
        (bytes, order) => {
          const reader = new DerReader(bytes)
          let failed = false
          for (const index of order) {
            const value = reads[index]?.(reader)
            if (value instanceof Uint8Array) expect(value.length).toBeLessThanOrEqual(bytes.length)
            if (failed) expect(reader.failed).toBe(true)
            failed = reader.failed
            if (failed) expect([reader.hasMore, reader.tag]).toEqual([false, -1])
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { StreamScanner, xmlLimits } from '../../../src/xml/index.ts'

const HEADER = "<stream xmlns='jabber:server'>"
/** What the smallest element may keep alive. */
const SHARED_BYTES = 8_192

const stanza = fc
  .oneof(
    fc.nat({ max: 300 }),
    fc.integer({ min: 1_900, max: 2_200 }),
    fc.integer({ min: 8_000, max: 20_000 }),
  )
  .map(size => `<m xmlns='jabber:server'>${'x'.repeat(size)}</m>`)

it('gives elements bytes that keep no more alive than twice themselves, or what small ones share', () => {
  fc.assert(
    fc.property(
      fc.array(stanza, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 70_000 }),
      (stanzas, size) => {
        const scanner = new StreamScanner(xmlLimits(defaultLimits, 'authenticated'))
        const bytes = Buffer.from(HEADER + stanzas.join(''))
        const found: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += size) {
          // a chunk of its own, as it is read; overwritten in none of its places
          for (const event of scanner.push(Uint8Array.from(bytes.subarray(at, at + size))))
            if (event.type === 'element') found.push(event.element.canonical())
        }
        expect(found.map(element => Buffer.from(element).toString())).toEqual(stanzas)
        for (const { length, buffer } of found)
          expect(buffer.byteLength).toBeLessThanOrEqual(Math.max(SHARED_BYTES, 2 * length))
      },
    ),
  )
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { recurring } from '../../../src/xml/recurring.ts'
import { WIDE } from '../../../src/xml/text.ts'

const read = (word: string) => {
  const bytes = Buffer.from(`<${word}>`)
  return recurring(bytes, 1, bytes.length - 1, WIDE)
}

it('gives what stands there, however often and whatever was met before', () => {
  const word = fc.oneof(
    // few letters and lengths: many words of one place
    fc.string({ unit: fc.constantFrom('a', 'b', '@', 'é'), maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 150 }),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 200 }), words => {
      for (const text of [...words, ...words]) expect(read(text)).toBe(Buffer.from(text).toString())
    }),
  )
  // More than there are places.
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 10_000; n++)
      expect(read(`user-${n}@montague.example`)).toBe(`user-${n}@montague.example`)
  }
})

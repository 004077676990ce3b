import { expect, it } from 'vitest'
import { readXfccField } from '../../../src/front/xfcc.ts'

it('reads values with spaces in and around them', () => {
  expect(readXfccField('By= a  b ; Cert="c d" ;Chain=\te f\t')).toEqual({ cert: 'c d', chain: 'e f' })
  expect(readXfccField('By=;Cert=')).toEqual({ cert: '', chain: undefined })
})

it('is not held up by a long value, such as a name in the certificate of a client', () => {
  const long = 32_000
  // A pattern that may cut a run of spaces anywhere takes half a second for the first: far beyond this test's deadline.
  for (const value of [
    `URI=${' '.repeat(long)}"`,
    `URI=${'a '.repeat(long / 2)}"`,
    `URI=${'a'.repeat(long)}"`,
    `URI="${' '.repeat(long)}`,
    `URI="${'\\\\'.repeat(long / 2)}`,
  ])
    for (let times = 0; times < 100; times++) expect(readXfccField(value)).toMatch(/malformed/)
}, 10_000)

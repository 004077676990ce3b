import { describe, expect, it } from 'vitest'
import { printable } from '../../../src/gateway/printable.ts'

describe('printable', () => {
  it('leaves ordinary text alone', () => {
    expect(printable('montague.example: père, 中, 😀')).toBe('montague.example: père, 中, 😀')
  })

  it.each([
    ['a line\nfeed', 'a line\\u{a}feed'],
    ['\u001b[31mred', '\\u{1b}[31mred'],
    ['c1 \u009b31m', 'c1 \\u{9b}31m'],
    ['\u202eright to left', '\\u{202e}right to left'],
    ['isolate \u2066x', 'isolate \\u{2066}x'],
    ['line\u2028separator', 'line\\u{2028}separator'],
    ['lone \ud800 half', 'lone \\u{d800} half'],
    ['other \udc00 half', 'other \\u{dc00} half'],
    ['zero\u200bwidth', 'zero\\u{200b}width'],
  ])('escapes %j', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('cuts at 128 characters, never through a surrogate pair', () => {
    expect(printable('x'.repeat(128))).toBe('x'.repeat(128))
    expect(printable('x'.repeat(129))).toBe(`${'x'.repeat(128)}…`)
    expect(printable(`${'x'.repeat(127)}😀`)).toBe(`${'x'.repeat(127)}…`)
  })
})

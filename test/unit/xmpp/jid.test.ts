import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatJid, parseJid, parseWireJid, sameJid, toBare } from '../../../src/xmpp/index.ts'

const strict = (text: string) => {
  const jid = parseJid(text)
  return jid === null ? null : formatJid(jid)
}
const wire = (text: string) => {
  const jid = parseWireJid(text)
  return jid === null ? null : formatJid(jid)
}

describe('parseJid', () => {
  // RFC 7622 §3.5, tables 1 and 2, then the places where implementations have gone wrong.
  const valid: readonly (readonly [string, string])[] = [
    ['juliet@example.com', 'juliet@example.com'],
    ['juliet@example.com/foo', 'juliet@example.com/foo'],
    ['juliet@example.com/foo bar', 'juliet@example.com/foo bar'],
    ['juliet@example.com/foo@bar', 'juliet@example.com/foo@bar'],
    ['foo\\20bar@example.com', 'foo\\20bar@example.com'],
    ['fussball@example.com', 'fussball@example.com'],
    ['fußball@example.com', 'fußball@example.com'],
    ['π@example.com', 'π@example.com'],
    ['Σ@example.com/foo', 'σ@example.com/foo'],
    ['σ@example.com/foo', 'σ@example.com/foo'],
    ['ς@example.com/foo', 'ς@example.com/foo'],
    ['king@example.com/♚', 'king@example.com/♚'],
    ['example.com', 'example.com'],
    ['example.com/foobar', 'example.com/foobar'],
    ['a.example.com/b@example.net', 'a.example.com/b@example.net'],
    ['Juliet@CAPULET.example./Balcony', 'juliet@capulet.example/Balcony'],
    ['ｊｕｌｉｅｔ@capulet.example', 'juliet@capulet.example'],
    ['capulet.example/a\u00a0b', 'capulet.example/a b'],
    ['capulet.example/e\u0301', 'capulet.example/\u00e9'],
    ['capulet.example//', 'capulet.example//'],
    ['capulet.example/ａ', 'capulet.example/ａ'],
    ['שלום1@example.com', 'שלום1@example.com'],
    ['א.ב@example.com', 'א.ב@example.com'],
    ['क्\u200dष@example.com', 'क्\u200dष@example.com'],
    ['ア・イ@example.com', 'ア・イ@example.com'],
    [
      `${'a'.repeat(1023)}@example.com/${'b'.repeat(1023)}`,
      `${'a'.repeat(1023)}@example.com/${'b'.repeat(1023)}`,
    ],
  ]
  it.each(valid)('%s', (text, expected) => {
    expect(strict(text)).toBe(expected)
    expect(wire(text)).toBe(expected)
  })

  // Refused on the wire too.
  const invalid: readonly (readonly [string, string])[] = [
    ['a double quote', '"juliet"@example.com'],
    ['a space in the localpart', 'foo bar@example.com'],
    ['an empty resource', 'juliet@example.com/'],
    ['an empty localpart', '@example.com/'],
    ['an empty domain', 'juliet@/foo'],
    ['only an at sign', '@'],
    ['only a slash', '/'],
    ['only a resource', '/foobar'],
    ['nothing', ''],
    ['two at signs', 'juliet@capulet@example.com'],
    ['an at sign after mapping', 'a＠b@example.com'],
    ['a slash after mapping', 'a／b@example.com'],
    ['an apostrophe', "o'hara@example.com"],
    ['an ampersand', 'a&b@example.com'],
    ['a colon', 'a:b@example.com'],
    ['angle brackets', '<a>@example.com'],
    ['a control in the localpart', 'a\u0001b@example.com'],
    ['a control in the resource', 'example.com/a\u0007'],
    ['DEL', 'a\u007f@example.com'],
    ['a right-to-left override in the resource', 'example.com/a\u202eb'],
    ['a zero-width space in the localpart', 'a\u200bb@example.com'],
    ['a joiner without context in the localpart', 'a\u200db@example.com'],
    ['a lone surrogate in the localpart', '\ud800@example.com'],
    ['a lone surrogate in the resource', 'example.com/\ud800'],
    ['a noncharacter', 'example.com/\ufffe'],
    ['private use', 'a\ue000@example.com'],
    ['a localpart of 1024 bytes', `${'a'.repeat(1024)}@example.com`],
    ['a localpart of 1024 bytes in 512 characters', `${'ü'.repeat(512)}@example.com`],
    ['a resource of 1024 bytes', `example.com/${'a'.repeat(1024)}`],
    ['a resource of 1024 bytes in 342 characters', `example.com/${'日'.repeat(342)}`],
    ['a symbol as domain', 'a@☃.example'],
  ]
  it.each(invalid)('refuses %s', (_, text) => {
    expect(strict(text)).toBeNull()
    expect(wire(text)).toBeNull()
  })

  // COMPAT(Prosody, ejabberd): valid by stringprep only.
  const compat: readonly (readonly [string, string, string])[] = [
    ['a chess piece as localpart', '♚@example.com', '♚@example.com'],
    ['a Roman numeral', 'henryⅣ@example.com', 'henryiv@example.com'],
    ['emoji with variation selector and joiners', 'example.com/❤️👨‍👩‍👦', 'example.com/❤️👨‍👩‍👦'],
    ['an unassigned code point', 'example.com/\u{1fbff}', 'example.com/\u{1fbff}'],
    ['mixed directions', 'aא@example.com', 'aא@example.com'],
    ['a long s', 'ſ@example.com', 's@example.com'],
  ]
  it.each(compat)('takes %s from the wire only', (_, text, expected) => {
    expect(strict(text)).toBeNull()
    expect(wire(text)).toBe(expected)
  })

  it('gives equal results for equal text however often and in whatever order it is asked', () => {
    const texts = Array.from({ length: 5000 }, (_, index) => `User${index % 2500}@capulet.example/Desk`)
    for (const [index, text] of texts.entries()) {
      expect(parseJid(text)).toEqual({
        local: `user${index % 2500}`,
        domain: 'capulet.example',
        resource: 'Desk',
      })
    }
    expect(parseJid('♚@example.com')).toBeNull()
    expect(parseWireJid('♚@example.com')).not.toBeNull()
    expect(parseJid('♚@example.com')).toBeNull()
  })

  it('is total; what it makes is within the limits, and reads back as itself', () => {
    const part = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        '',
        'ς',
        'Σ',
        'İ',
        'ﬁ',
        'ｱﾞ',
        '\u0344',
        '\u212b',
        'א1',
        '٠۰',
        '\u1100',
        '\u0e33',
        'a'.repeat(1023),
      ),
    )
    fc.assert(
      fc.property(
        part,
        fc.constantFrom('', '@'),
        part,
        fc.constantFrom('', '/'),
        part,
        (a, at, b, slash, c) => {
          for (const parse of [parseJid, parseWireJid]) {
            for (const text of [a + at + b + slash + c, `${a}${at}capulet.example${slash}${c}`]) {
              const jid = parse(text)
              if (jid === null) continue
              expect(Buffer.byteLength(jid.local)).toBeLessThanOrEqual(1023)
              expect(Buffer.byteLength(jid.resource)).toBeLessThanOrEqual(1023)
              expect(jid.local).not.toMatch(/["&'/:<>@\s]/)
              expect(parse(formatJid(jid))).toEqual(jid)
            }
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('toBare and sameJid', () => {
  it('drop the resource, and compare all three parts', () => {
    const full = parseJid('juliet@capulet.example/balcony')
    const bare = parseJid('juliet@capulet.example')
    if (full === null || bare === null) throw new Error('unreachable')
    expect(sameJid(toBare(full), bare)).toBe(true)
    expect(toBare(bare)).toBe(bare)
    expect(sameJid(full, bare)).toBe(false)
  })
})

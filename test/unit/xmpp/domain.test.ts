import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Domain, isFederable, notFederable, parseDomain, toAscii } from '../../../src/xmpp/index.ts'

function domain(text: string): Domain {
  const parsed = parseDomain(text)
  if (parsed === null) throw new Error(`no domain: ${text}`)
  return parsed
}

describe('parseDomain', () => {
  const same: readonly (readonly [string, readonly string[]])[] = [
    ['capulet.example', ['capulet.example', 'CAPULET.Example', 'capulet.example.', 'ｃａｐｕｌｅｔ.example']],
    [
      'bücher.example',
      [
        'BÜCHER.example.',
        'bu\u0308cher.example',
        'xn--bcher-kva.example',
        'XN--BCHER-KVA.EXAMPLE.',
        'bücher\u3002example',
        'bücher\uff0eexample\uff61',
      ],
    ],
    ['faß.example', ['faß.example', 'FAẞ.example', 'xn--fa-hia.example']],
    ['σίσυφοσ.example', ['ΣΊΣΥΦΟΣ.example', 'σίσυφοσ.example']],
    ['日本語.example', ['日本語。example', 'xn--wgv71a119e.example']],
    ['שלום.example', ['שלום.example']],
    ['l·l.example', ['L·L.example']],
    ['a--b.example', ['A--b.example']],
    ['127.0.0.1', ['127.0.0.1', '１２７.０.０.１']],
    ['[2001:db8::1]', ['[2001:DB8::1]']],
    ['[::ffff:192.0.2.1]', ['[::ffff:192.0.2.1]']],
  ]
  it.each(same)('%s in all its spellings', (expected, spellings) => {
    for (const spelling of spellings) expect(parseDomain(spelling)).toBe(expected)
  })

  const none: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['only a dot', '.'],
    ['two trailing dots', 'capulet.example..'],
    ['an empty label', 'capulet..example'],
    ['an empty label, ideographic', 'bücher。。example'],
    ['a leading dot', '.capulet.example'],
    ['a space', 'capulet .example'],
    ['an underscore', 'ca_pulet.example'],
    ['an underscore beside a U-label', 'a_b.bücher.example'],
    ['a percent escape', 'ca%70ulet.example'],
    ['a port', 'capulet.example:5269'],
    ['a leading hyphen', '-capulet.example'],
    ['a trailing hyphen', 'capulet-.example'],
    ['a label of 64', `${'a'.repeat(64)}.example`],
    ['a name of 254', `${'a.'.repeat(126)}aa`],
    ['a U-label too long for DNS', `${'ü'.repeat(60)}.example`],
    ['an A-label of nothing', 'xn--.example'],
    ['an A-label that does not decode', 'xn--a.example'],
    ['an A-label of ASCII', 'xn--abc-.example'],
    ['an A-label of upper case', 'xn--bcher-0ea.example'],
    ['an A-label of a symbol', 'xn--n3h.example'],
    ['a symbol (IDNA2008)', '☃.example'],
    ['an emoji', '💩.example'],
    ['a compatibility character that UTS #46 would map', 'ⅷ.example'],
    ['a fraction', '½.example'],
    ['a character that maps to a slash', '℀.example'],
    ['a soft hyphen', 'capu\u00adlet.bücher.example'],
    ['a zero-width joiner without context', 'a\u200db.example'],
    ['a middle dot without context', 'a·b.example'],
    ['mixed directions', 'aשלום.example'],
    ['a control', 'capulet\u0000.example'],
    ['a newline', 'capulet.example\n'],
    ['a lone surrogate', 'capulet\ud800.example'],
    ['an unclosed literal', '[::1'],
    ['a literal with a zone', '[fe80::1%25eth0]'],
    ['a literal with two gaps', '[1::2::3]'],
    ['a literal of nine groups', '[1:2:3:4:5:6:7:8:9]'],
    ['a literal of seven groups', '[1:2:3:4:5:6:7]'],
    ['a literal with IPv4 in front', '[1.2.3.4::]'],
    ['an empty literal', '[]'],
    ['too many bytes', 'a'.repeat(5000)],
    ['too many characters', 'ü'.repeat(5000)],
  ]
  it.each(none)('refuses %s', (_, text) => {
    expect(parseDomain(text)).toBeNull()
  })

  it('is total, and stable on its own results and on their A-labels', () => {
    const label = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom('xn--', 'XN--bcher-kva', 'ü', 'ς', 'ß', '\u200d', '·', 'א', '０', '1', 'ﬁ'),
    )
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), labels => {
        const parsed = parseDomain(labels.join('.'))
        if (parsed === null) return
        expect(parseDomain(parsed)).toBe(parsed)
        expect(toAscii(parsed)).toMatch(/^[!-~]+$/)
        expect(parseDomain(toAscii(parsed))).toBe(parsed)
        expect(parseDomain(`${parsed}.`)).toBe(parsed.startsWith('[') ? null : parsed)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('toAscii', () => {
  it('gives the form for DNS', () => {
    expect(toAscii(domain('BÜCHER.example.'))).toBe('xn--bcher-kva.example')
    expect(toAscii(domain('capulet.example'))).toBe('capulet.example')
  })
})

describe('notFederable (DECISIONS 26)', () => {
  it.each([
    ['capulet.example', null],
    ['bücher.example', null],
    ['localhost.example', null],
    ['internal.capulet.example', null],
    ['capulet', 'single-label'],
    ['日本語', 'single-label'],
    ['127.0.0.1', 'ip-literal'],
    ['127.1', 'ip-literal'],
    ['0x7f.0x1', 'ip-literal'],
    ['capulet.123', 'ip-literal'],
    ['2130706433', 'ip-literal'],
    ['[::1]', 'ip-literal'],
    ['localhost', 'special-use'],
    ['a.localhost', 'special-use'],
    ['printer.local', 'special-use'],
    ['x.invalid', 'special-use'],
    ['abc.onion', 'special-use'],
    ['metadata.google.internal', 'special-use'],
    ['1.0.0.127.in-addr.arpa', 'special-use'],
  ])('%s: %s', (text, reason) => {
    expect(notFederable(domain(text))).toBe(reason)
    expect(isFederable(domain(text))).toBe(reason === null)
  })
})

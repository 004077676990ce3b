import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  isXmlViolation,
  StreamScanner,
  scanDocument,
  type XmlLimits,
  xmlLimits,
} from '../../../src/xml/index.ts'

// What a peer can make us spend: ratios of this process's CPU time in one run, each the least of several, so that neither
// the machine nor its other work matters.

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
/** without any limit but size: the scanner itself must be linear, not only what its limits leave over */
const OPEN: XmlLimits = {
  bytes: LIMITS.bytes,
  depth: 1_000_000,
  elements: 1_000_000,
  attributes: 1_000_000,
  namespaces: 1_000_000,
  nameBytes: 1_000_000,
}
const WORST = 10
const RUNS = 7

const SIZE = LIMITS.bytes
/** `one` again and again, numbered, between head and tail, up to the size limit. */
function fill(head: string, one: (i: number) => string, tail: string): Buffer {
  const parts = [head]
  let length = head.length + tail.length
  for (let i = 0; ; i++) {
    const part = one(i)
    length += Buffer.byteLength(part)
    if (length > SIZE) break
    parts.push(part)
  }
  return Buffer.from(parts.join('') + tail)
}

function nested(open: (i: number) => string, close: string, head = ''): Buffer {
  const tags: string[] = []
  const root = head === '' ? '<a>' : head
  let length = root.length + 4
  for (let i = 0; length + open(i).length + close.length <= SIZE; i++) {
    tags.push(open(i))
    length += open(i).length + close.length
  }
  return Buffer.from(`${root}${tags.join('')}${close.repeat(tags.length)}</a>`)
}

const plain = Buffer.from(
  `<message xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example/orchard' id='lx09' type='chat' xml:lang='en'><body>Wherefore art thou, Romeo? ${'Deny thy father and refuse thy name; '.repeat(6)}</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>`,
)

const many = (n: number, one: (i: number) => string) => Array.from({ length: n }, (_, i) => one(i)).join('')
const longName = `urn:${'x'.repeat(50_000)}`

const traps: readonly (readonly [string, Buffer])[] = [
  ['flat text', fill('<a>', () => 'x', '</a>')],
  ['30 000 attributes', fill('<a', i => ` a${i}=''`, '/>')],
  ['15 000 declarations', fill('<a', i => ` xmlns:a${i}='u'`, '/>')],
  ['130 000 empty elements', fill('<a>', () => '<b/>', '</a>')],
  ['depth 75 000', nested(() => '<b>', '</b>')],
  ['depth with one prefix of the root', nested(() => '<p:b>', '</p:b>', `<a xmlns:p='u'>`)],
  ['depth with a declaration each', nested(i => `<b xmlns:p${i}='u'>`, '</b>')],
  [
    'the prefix of the root at great depth',
    fill(
      `<a xmlns:p='u' xmlns:q='v'>${'<b>'.repeat(20_000)}`,
      i => (i % 2 === 0 ? '<p:b/>' : '<q:b/>'),
      `${'</b>'.repeat(20_000)}</a>`,
    ),
  ],
  [
    '2 000 prefixes in turn',
    fill(`<a${many(2_000, i => ` xmlns:p${i}='u'`)}>`, i => `<p${i % 2_000}:b/>`, '</a>'),
  ],
  [
    '128 attributes an element',
    fill(
      '<a>',
      () => `<b${many(128, i => ` ${String.fromCharCode(97 + (i % 26))}${(i / 26) | 0}=''`)}/>`,
      '</a>',
    ),
  ],
  [
    '8 attributes that differ in their last byte',
    fill('<a>', () => `<b${many(8, i => ` aaaaaaaaaaaaaaaa${i}=''`)}/>`, '</a>'),
  ],
  [
    '128 attributes with prefixes',
    fill(
      `<a xmlns:p='u' xmlns:q='v'>`,
      () => `<b${many(64, i => ` p:${i < 10 ? 'a' : 'b'}${i}='' q:c${i}=''`)}/>`,
      '</a>',
    ),
  ],
  [
    'two prefixes of one long name',
    fill(
      `<a xmlns:p='${longName}' xmlns:q='${longName}'>`,
      () => `<b${many(32, i => ` p:a${i}='' q:b${i}=''`)}/>`,
      '</a>',
    ),
  ],
  ['32 declarations an element', fill('<a>', () => `<b${many(32, i => ` xmlns:p${i}='u'`)}/>`, '</a>')],
  ['a declaration an element', fill('<a>', () => `<b xmlns:p='u'/>`, '</a>')],
  ['references', fill('<a>', () => '&lt;', '</a>')],
  ['character references', fill('<a>', () => '&#9;', '</a>')],
  ['one long reference', fill('<a>&#', () => '0', '65;</a>')],
  ['one long name', fill('<a><', () => 'b', '/></a>')],
  ['brackets', fill('<a>', () => ']', '</a>')],
  ['CDATA sections', fill('<a>', () => '<![CDATA[]]>', '</a>')],
  ['brackets in CDATA', fill('<a><![CDATA[', () => ']', ']]></a>')],
  ['white space in a tag', fill('<a', () => ' ', '/>')],
  ['two-byte characters', fill('<a>', () => 'é', '</a>')],
  ['four-byte characters', fill('<a>', () => '\u{1f339}', '</a>')],
  ['two-byte names', fill('<a>', () => '<é/>', '</a>')],
]

/** Least CPU time of a call, in microseconds a byte. */
function cost(bytes: Buffer, run: () => void, repeat: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) {
    const before = process.cpuUsage()
    for (let j = 0; j < repeat; j++) run()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / repeat / bytes.length)
  }
  return least
}

const perByte = (bytes: Buffer, limits: XmlLimits, repeat: number) =>
  cost(bytes, () => scanDocument(bytes, limits), repeat)

const whole = (bytes: Buffer, repeat: number) =>
  cost(
    bytes,
    () => {
      const result = scanDocument(bytes, LIMITS)
      if (!isXmlViolation(result)) result.element() && result.canonical()
    },
    repeat,
  )

describe('cost is linear (XM-05)', () => {
  // warm, then measured
  perByte(plain, OPEN, 2_000)
  const usual = perByte(plain, OPEN, 2_000)

  it.each(traps)('%s', (_, bytes) => {
    expect(bytes.length).toBeGreaterThan(SIZE * 0.99)
    expect(bytes.length).toBeLessThanOrEqual(SIZE)
    expect(isXmlViolation(scanDocument(bytes, OPEN))).toBe(false)
    expect(perByte(bytes, OPEN, 1) / usual).toBeLessThan(WORST)
    expect(perByte(bytes, LIMITS, 1) / usual).toBeLessThan(WORST)
  })

  it('within the limits, so are the tree and what is written from it', () => {
    whole(plain, 500)
    const usualWhole = whole(plain, 500)
    const declarations = many(32, i => ` xmlns:p${i}='u${i}'`)
    const chain = `<a>${many(60, i => `<b${declarations.replaceAll(':p', `:q${i}p`)}>`)}`
    const child = (i: number) => (i % 2 === 0 ? '<q7p3:c/>' : `<d xmlns:e='f'/>`)
    const worst = [
      fill(chain, i => (i < 9_900 ? child(i) : '-'), `${'</b>'.repeat(60)}</a>`),
      fill('<a>', i => (i < 2_400 ? `<b${many(20, j => ` a${j}='\t'`)}/>` : '-'), '</a>'),
    ]
    for (const bytes of worst) {
      expect(isXmlViolation(scanDocument(bytes, LIMITS))).toBe(false)
      expect(whole(bytes, 1) / usualWhole, bytes.subarray(0, 60).toString()).toBeLessThan(WORST)
    }
  })

  it('a byte at a time costs the same at any length', () => {
    const dribble = (bytes: Buffer) =>
      cost(
        bytes,
        () => {
          const scanner = new StreamScanner(OPEN)
          for (let i = 0; i < bytes.length; i++) scanner.push(bytes.subarray(i, i + 1))
        },
        1,
      )
    for (const shape of [
      ['<s><a b="', 'x'],
      ['<s><a>&#', '0'],
      ['<s><a>', '<b>'],
      ['<s><a', ' '],
    ] as const) {
      const [head, one] = shape
      const short = Buffer.from(head + one.repeat(8_000 / one.length))
      const long = Buffer.from(head + one.repeat(128_000 / one.length))
      dribble(short)
      expect(dribble(long) / dribble(short), head).toBeLessThan(4)
    }
  })

  it('what is refused by name is refused at once', () => {
    const laughs = fill('<!DOCTYPE a [', i => `<!ENTITY l${i} "&l${i - 1};&l${i - 1};">`, ']><a>&l9;</a>')
    expect(scanDocument(laughs, LIMITS)).toMatchObject({ condition: 'restricted-xml', offset: 2 })
    const scanner = new StreamScanner(LIMITS)
    expect(scanner.push(laughs.subarray(0, 3))).toMatchObject([
      { violation: { condition: 'restricted-xml' } },
    ])
  })
})

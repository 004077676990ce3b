import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  isXmlViolation,
  type ScannedElement,
  StreamScanner,
  scanDocument,
  type XmlLimits,
  xmlLimits,
} from '../../../src/xml/index.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')

function accepted(xml: string | Buffer, limits: XmlLimits = LIMITS): ScannedElement {
  const result = scanDocument(Buffer.from(xml as string), limits)
  if (isXmlViolation(result)) throw new Error(`${result.condition} at ${result.offset}: ${result.detail}`)
  return result
}

function refused(xml: string | Buffer, limits: XmlLimits = LIMITS) {
  const result = scanDocument(Buffer.from(xml as string), limits)
  if (!isXmlViolation(result)) throw new Error(`accepted: ${xml}`)
  return result
}

const canonical = (xml: string) => Buffer.from(accepted(xml).canonical()).toString()

describe('scanDocument', () => {
  it('reads names, attributes and size of the root', () => {
    const element = accepted(
      `<message xmlns='jabber:server' from="a@b" to='c&amp;d' id='' xml:lang='de'><body>x</body></message>`,
    )
    expect(element).toMatchObject({
      name: 'message',
      namespace: 'jabber:server',
      prefix: '',
      receivedBytes: 99,
    })
    expect(element.attribute('from')).toBe('a@b')
    expect(element.attribute('to')).toBe('c&d')
    expect(element.attribute('id')).toBe('')
    expect(element.attribute('type')).toBeUndefined()
    expect(element.attribute('xmlns')).toBeUndefined()
    expect(element.attribute('lang')).toBeUndefined()
    expect(element.attribute('lang', 'http://www.w3.org/XML/1998/namespace')).toBe('de')
    for (const name of ['from', 'to', 'id', 'type', 'xmlns', 'lang', 'ü'])
      expect(element.recurring(name)).toBe(element.attribute(name))
  })

  it('reads a prefixed root', () => {
    const element = accepted(`<s:features xmlns:s='urn:s' s:a='1' a='2'/>`)
    expect(element).toMatchObject({ name: 'features', namespace: 'urn:s', prefix: 's' })
    expect(element.attribute('a')).toBe('2')
    expect(element.attribute('a', 'urn:s')).toBe('1')
  })

  it('makes the tree', () => {
    const tree = accepted(
      `<a xmlns='urn:a' xmlns:p='urn:p' xmlns:q='urn:q'>x&lt;<![CDATA[<&]]>y<p:b p:c='&#x41;&#10;'/><d xmlns=''>\r\n</d></a>`,
    ).element()
    expect(tree).toEqual({
      name: 'a',
      namespace: 'urn:a',
      prefix: '',
      attributes: [],
      declarations: { p: 'urn:p', q: 'urn:q' },
      children: [
        'x<<&y',
        {
          name: 'b',
          namespace: 'urn:p',
          prefix: 'p',
          attributes: [{ name: 'c', namespace: 'urn:p', prefix: 'p', value: 'A\n' }],
          declarations: {},
          children: [],
        },
        { name: 'd', namespace: '', prefix: '', attributes: [], declarations: {}, children: ['\n'] },
      ],
    })
  })

  it('knows __proto__ as a name like any other', () => {
    const tree = accepted(`<a xmlns='u' xmlns:__proto__='p' __proto__='1'><__proto__:b/></a>`).element()
    expect(Object.entries(tree.declarations)).toEqual([['__proto__', 'p']])
    expect(tree.attributes[0]?.name).toBe('__proto__')
    expect(tree.children[0]).toMatchObject({ name: 'b', namespace: 'p' })
  })

  const forwarded = [
    `<message xmlns='jabber:server'><body a="'">hi &amp; &#x20ac; é &gt; ></body></message>`,
    `<message  xmlns='jabber:server' ><x xmlns=''><y/></x><p:z xmlns:p='p' /></message >`,
    `<s:a xmlns:s='s'><s:b xml:lang='en'/><c xmlns='c'/></s:a>`,
  ]
  it.each(forwarded)('forwards as received: %s', xml => {
    expect(canonical(xml)).toBe(xml)
  })

  const rewritten: readonly (readonly [string, string, string])[] = [
    ['no namespace declared', '<a><b/></a>', `<a xmlns=''><b/></a>`],
    ['a default that is inherited', `<s:a xmlns:s='s'><c/></s:a>`, `<s:a xmlns:s='s'><c xmlns=''/></s:a>`],
    ['CDATA', `<a xmlns='a'><![CDATA[<]]]]></a>`, `<a xmlns='a'>&lt;]]</a>`],
    ['line ends', `<a xmlns='a'>1\r\n2\r3&#13;</a>`, `<a xmlns='a'>1\n2\n3&#13;</a>`],
    ['white space in values', `<a xmlns='a' b='1\t2\n3\r\n4&#9;'/>`, `<a xmlns='a' b='1 2 3 4&#9;'/>`],
    ['a declaration before it', `<?xml version='1.0'?>\n<a xmlns='a'/>`, `<a xmlns='a'/>`],
  ]
  it.each(rewritten)('%s: re-serialised or cut', (_, xml, expected) => {
    expect(canonical(xml)).toBe(expected)
    expect(canonical(expected)).toBe(expected)
  })

  it('lends prefixes when asked, and writes them into the canonical form', () => {
    const xml = Buffer.from(`<db:result from='a'>key</db:result>`)
    expect(isXmlViolation(scanDocument(xml, LIMITS))).toBe(true)
    const lent = scanDocument(xml, LIMITS, { prefixes: { db: 'jabber:server:dialback' } })
    if (isXmlViolation(lent)) throw new Error(lent.detail)
    expect(lent).toMatchObject({ name: 'result', namespace: 'jabber:server:dialback', prefix: 'db' })
    expect(Buffer.from(lent.canonical()).toString()).toBe(
      `<db:result xmlns:db='jabber:server:dialback' from='a'>key</db:result>`,
    )
    expect(isXmlViolation(scanDocument(xml, LIMITS))).toBe(true)
  })

  const refusals: readonly (readonly [string, string, string])[] = [
    ['', 'bad-format', 'WS-24'],
    [' ', 'bad-format', 'WS-24'],
    [' <a/>', 'bad-format', 'WS-24'],
    ['\ufeff<a/>', 'bad-format', 'WS-24'],
    ['<a/><b/>', 'not-well-formed', 'WS-21'],
    ['<a/>x', 'not-well-formed', 'WS-21'],
    ['<a', 'not-well-formed', 'XM-02'],
    ['<a><!', 'not-well-formed', 'XM-02'],
    ['<!DOCTYPE a><a/>', 'restricted-xml', 'XM-01'],
    ['<a><?b?></a>', 'restricted-xml', 'XM-01'],
    [`<?xml-stylesheet href=''?><a/>`, 'restricted-xml', 'XM-01'],
    ['<!-- --><a/>', 'restricted-xml', 'XM-01'],
    ['<a>&nbsp;</a>', 'restricted-xml', 'XM-01'],
    ['<a>&nbsp</a>', 'not-well-formed', 'XM-02'],
    [`<?xml version='1.1'?><a/>`, 'restricted-xml', 'XM-04'],
    [`<?xml version='1.0' encoding='UTF-16'?><a/>`, 'unsupported-encoding', 'WS-25'],
    [`<?xml encoding='UTF-8'?><a/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns='a&#10;b'/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns=' a'/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns:p='a '/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns='a\u00a0'/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns=' '/>`, 'not-well-formed', 'XM-02'],
    [`<a xmlns:p='a' xmlns:q='a' p:x='' q:x=''/>`, 'not-well-formed', 'XM-07'],
  ]
  it.each(refusals)('%j: %s (%s)', (xml, condition, rule) => {
    expect(refused(xml)).toMatchObject({ condition, rule })
  })

  const at = (change: Partial<XmlLimits>): XmlLimits => ({ ...LIMITS, ...change })
  const limits: readonly (readonly [keyof XmlLimits, number, string, string])[] = [
    ['bytes', 8, '<a></a >', '<a>-</a >'],
    ['depth', 2, '<a><b/><b></b></a>', '<a><b><c/></b></a>'],
    ['elements', 3, '<a><b/><b/></a>', '<a><b/><b/><b/></a>'],
    ['attributes', 2, `<a b='' xmlns='u' c=''/>`, `<a b='' c='' d=''/>`],
    ['namespaces', 2, `<a b='' xmlns='u' xmlns:c='u'/>`, `<a xmlns='u' xmlns:b='u' xmlns:c='u'/>`],
    ['nameBytes', 7, `<a:bcdef xmlns:a='u'/>`, '<abcdefgh/>'],
  ]
  it.each(limits)('%s: the limit itself is allowed, one more is not', (limit, value, fits, exceeds) => {
    expect(isXmlViolation(scanDocument(Buffer.from(fits), at({ [limit]: value })))).toBe(false)
    expect(refused(exceeds, at({ [limit]: value }))).toMatchObject({ condition: 'policy-violation', limit })
  })

  it.each([
    ['a small one shares a small buffer', '', 8_192],
    ['a larger one has one to itself', 'text '.repeat(500), 2_518],
  ])('keeps its own bytes where it came out of a much larger buffer: %s', (_, text, keptBytes) => {
    const numbered = (number: number) => `<a xmlns="u">${text}${number % 10}</a>`
    const elements = Array.from({ length: 1_000 }, (_, number) => {
      const large = Buffer.alloc(65_536, numbered(number))
      const element = scanDocument(large.subarray(0, numbered(number).length), LIMITS)
      if (isXmlViolation(element)) throw new Error(element.detail)
      large.fill(0)
      return element.canonical()
    })
    expect(elements.map(bytes => Buffer.from(bytes).toString())).toEqual(
      elements.map((_, at) => numbered(at)),
    )
    expect(new Set(elements.map(bytes => bytes.buffer.byteLength))).toEqual(new Set([keptBytes]))
  })
})

describe('StreamScanner', () => {
  const events = (scanner: StreamScanner, xml: string) =>
    scanner.push(Buffer.from(xml)).map(event => {
      if ('element' in event) return `${event.type} ${Buffer.from(event.element.canonical())}`
      return event.type === 'end' ? 'end' : `${event.violation.condition} ${event.violation.offset}`
    })

  it('reads a stream', () => {
    const scanner = new StreamScanner(LIMITS)
    expect(
      events(
        scanner,
        `<?xml version='1.0'?> <s:stream xmlns='jabber:server' xmlns:s='urn:s' xmlns:db='d' id='1'> `,
      ),
    ).toEqual([`header <s:stream xmlns:s='urn:s' xmlns='jabber:server' xmlns:db='d' id='1'/>`])
    expect(events(scanner, `<message><body/></message><db:result/>\n<iq xmlns='jabber:server'/><x`)).toEqual([
      `element <message xmlns='jabber:server'><body/></message>`,
      `element <db:result xmlns:db='d'/>`,
      `element <iq xmlns='jabber:server'/>`,
    ])
    expect(events(scanner, `/></s:stream>`)).toEqual([`element <x xmlns='jabber:server'/>`, 'end'])
    expect(events(scanner, '<a/>')).toEqual([])
    scanner.restart()
    expect(events(scanner, `<s xmlns='u'/>`)).toEqual([`header <s xmlns='u'/>`, 'end'])
  })

  it('refuses what is no stream', () => {
    const inStream = (xml: string) => {
      const scanner = new StreamScanner(LIMITS)
      events(scanner, `<s:s xmlns:s='s'>`)
      return events(scanner, xml)
    }
    expect(inStream('x')).toEqual(['bad-format 17'])
    expect(inStream('<![CDATA[]]>')).toEqual(['bad-format 19'])
    expect(inStream('</s:x>')).toEqual(['not-well-formed 21'])
    expect(inStream(`<a/><?xml version='1.0'?>`)).toEqual([`element <a xmlns=''/>`, 'restricted-xml 23'])
    expect(inStream('<a><b></a>')).toEqual(['not-well-formed 25'])
  })

  it('takes new limits for the next element, and refuses what was begun before a restart', () => {
    const scanner = new StreamScanner({ ...LIMITS, bytes: 30 })
    events(scanner, '<s><a')
    scanner.setLimits(LIMITS)
    expect(events(scanner, `>${'-'.repeat(40)}`)).toEqual(['policy-violation 33'])
    scanner.restart()
    expect(events(scanner, `<s><a>${'-'.repeat(40)}</a><b`)).toHaveLength(2)
    scanner.restart()
    expect(events(scanner, '/>')).toEqual(['bad-format 52'])
  })
})

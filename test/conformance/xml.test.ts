import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import {
  isXmlViolation,
  StreamScanner,
  scanDocument,
  serialize,
  type XmlViolation,
  xmlLimits,
} from '../../src/xml/index.ts'
import { element } from '../../src/xmpp/index.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const HEADER = `<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:server'>`

function refusal(xml: string | Uint8Array): XmlViolation | null {
  const result = scanDocument(Buffer.from(xml as string), LIMITS)
  return isXmlViolation(result) ? result : null
}

/** In a stream: the condition of what was refused. */
function inStream(xml: string): string | undefined {
  const events = new StreamScanner(LIMITS).push(Buffer.from(HEADER + xml))
  const last = events.at(-1)
  return last?.type === 'violation' ? last.violation.condition : undefined
}

const inBody = (xml: string) => `<message xmlns='jabber:server'><body>${xml}</body></message>`

function bodyOf(xml: string): unknown {
  const result = scanDocument(Buffer.from(inBody(xml)), LIMITS)
  if (isXmlViolation(result)) throw new Error(result.detail)
  const again = scanDocument(result.canonical(), LIMITS)
  if (isXmlViolation(again)) throw new Error(again.detail)
  const body = again.element().children[0]
  return typeof body === 'object' ? body.children.join('') : undefined
}

describe('XML of messages and streams', () => {
  const restricted: readonly (readonly [string, string])[] = [
    ['a comment', '<!-- c -->'],
    ['a processing instruction', '<?php echo?>'],
    ['an internal DTD', `<!DOCTYPE a [<!ENTITY b 'c'>]>`],
    ['an external DTD', `<!DOCTYPE a SYSTEM 'http://x.example/'>`],
    ['an entity of HTML', '&nbsp;'],
    ['an entity of its own', '&lol9;'],
  ]
  it.each(restricted)('[XM-01] %s is refused with restricted-xml wherever it stands', (_, xml) => {
    expect(refusal(inBody(xml))?.condition).toBe('restricted-xml')
    expect(inStream(`<iq>${xml}</iq>`)).toBe('restricted-xml')
    if (!xml.startsWith('<')) return
    expect(refusal(`${xml}<iq xmlns='jabber:server'/>`)?.condition).toBe('restricted-xml')
    expect(inStream(xml)).toBe('restricted-xml')
  })

  it('[XM-01] billion laughs are refused before an entity is seen', () => {
    const laughs = `<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>`
    expect(refusal(laughs)).toMatchObject({ condition: 'restricted-xml', rule: 'XM-01', offset: 2 })
  })

  it('[XM-01] the five entities and character references are read', () => {
    expect(bodyOf('&lt;&gt;&amp;&apos;&quot;&#65;&#x1F339;')).toBe(`<>&'"A\u{1f339}`)
  })

  const illFormed = [
    '<a>',
    '</a>',
    '<a></b>',
    '<a b/>',
    '<a b=c/>',
    '<a b="<"/>',
    '<a><b></a></b>',
    '&',
    '&#0;',
    ']]>',
    '\u0001',
    '\ufffe',
    '<1/>',
  ]
  it.each(illFormed)('[XM-02] %j is not well-formed', xml => {
    expect(refusal(inBody(xml))?.condition).toBe('not-well-formed')
    expect(inStream(`<iq>${xml}</iq>`)).toBe('not-well-formed')
  })

  const illNamed = [
    '<foo:a/>',
    `<a foo:b=''/>`,
    `<a:b:c xmlns:a='u'/>`,
    '<:a/>',
    `<a: xmlns:a='u'/>`,
    `<a xmlns:b=''/>`,
  ]
  it.each(illNamed)('[XM-02] %s is not namespace-well-formed', xml => {
    expect(refusal(inBody(xml))).toMatchObject({ condition: 'not-well-formed' })
    expect(inStream(xml)).toBe('not-well-formed')
  })

  it('[XM-03 WS-23 WS-24] a byte order mark, white space or nothing before the element is bad-format', () => {
    for (const xml of [
      '\ufeff<iq/>',
      ' <iq/>',
      '\n<iq/>',
      'x<iq/>',
      '',
      ' ',
      'x',
      `\ufeff<?xml version='1.0'?><iq/>`,
    ]) {
      expect(refusal(xml), JSON.stringify(xml)).toMatchObject({ condition: 'bad-format', rule: 'WS-24' })
    }
  })

  const invalid: readonly (readonly [string, readonly number[]])[] = [
    ['two bytes, overlong', [0xc0, 0xbc]],
    ['two bytes, overlong by one', [0xc1, 0xbf]],
    ['three bytes, overlong', [0xe0, 0x9f, 0xbf]],
    ['four bytes, overlong', [0xf0, 0x8f, 0xbf, 0xbf]],
    ['a high surrogate', [0xed, 0xa0, 0x80]],
    ['a low surrogate', [0xed, 0xbf, 0xbf]],
    ['a pair of surrogates (CESU-8)', [0xed, 0xa0, 0xbc, 0xed, 0xbc, 0xb9]],
    ['above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['FE', [0xfe]],
    ['FF', [0xff]],
    ['a lone continuation', [0x80]],
    ['one continuation too many', [0xc3, 0xa9, 0xa9]],
    ['cut after one of two', [0xc3]],
    ['cut after two of three', [0xe2, 0x82]],
    ['cut after three of four', [0xf0, 0x9f, 0x8c]],
    ['Latin-1', [0xe9, 0x20]],
  ]
  it.each(invalid)('[XM-03] bytes that are not UTF-8: %s', (_, bytes) => {
    for (const [before, after] of [
      ['<a>', '</a>'],
      [`<a b='`, `'/>`],
      ['<a><![CDATA[', ']]></a>'],
      ['<a', '/>'],
    ] as const) {
      const xml = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
      expect(refusal(xml), xml.toString('latin1')).toMatchObject({
        condition: 'unsupported-encoding',
        rule: 'XM-03',
      })
    }
  })

  it('[XM-03] every character of XML survives, U+FEFF among them', () => {
    const text = '\ufeffa\ufeff\u0085\u007f\u0800\ud7ff\ue000\ufffd\u{10000}\u{1fffe}\u{10ffff}'
    expect(bodyOf(text)).toBe(text)
    expect(serialize(element('a', 'u', {}, text))[0]).toBe(0x3c)
  })

  it('[XM-04] standalone is ignored, another version refused, neither is written', () => {
    for (const standalone of ['yes', 'no']) {
      const xml = Buffer.from(`<?xml version='1.0' standalone='${standalone}'?><iq xmlns='jabber:server'/>`)
      const result = scanDocument(xml, LIMITS)
      if (isXmlViolation(result)) throw new Error(result.detail)
      expect(Buffer.from(result.canonical()).toString()).toBe(`<iq xmlns='jabber:server'/>`)
    }
    for (const version of ['1.1', '2.0', '1.00', '']) {
      expect(refusal(`<?xml version='${version}'?><iq/>`), version).not.toBeNull()
    }
    expect(refusal(`<?xml version='1.1'?><iq/>`)).toMatchObject({
      condition: 'restricted-xml',
      rule: 'XM-04',
    })
  })

  it('[WS-25] an XML declaration is taken at the very start, if it says UTF-8 or nothing', () => {
    for (const encoding of ['', ` encoding='UTF-8'`, ` encoding="utf-8" `]) {
      expect(refusal(`<?xml version="1.0"${encoding}?>\n<iq xmlns='jabber:server'/>`), encoding).toBeNull()
    }
    for (const encoding of ['UTF-16', 'ISO-8859-1', 'US-ASCII']) {
      expect(refusal(`<?xml version='1.0' encoding='${encoding}'?><iq/>`)).toMatchObject({
        condition: 'unsupported-encoding',
        rule: 'WS-25',
      })
    }
    expect(refusal(inBody(`<?xml version='1.0'?>`))?.condition).toBe('restricted-xml')
  })

  it('[WS-21] a second element, or text after the first, is not well-formed', () => {
    for (const rest of ['<iq/>', 'x', '&#32;', '</iq>', '<![CDATA[]]>']) {
      expect(refusal(`<iq xmlns='jabber:server'/>${rest}`), rest).toMatchObject({
        condition: 'not-well-formed',
      })
    }
  })

  it('[WS-22] what may go on stands alone: every namespace and prefix is declared in it', () => {
    const stream = new StreamScanner(LIMITS)
    stream.push(Buffer.from(`<s:stream xmlns:s='urn:s' xmlns:db='urn:db' xmlns='jabber:server'>`))
    const inherited = `<message><body/></message><db:result a='1'/><s:features><x xmlns='u' db:y='z'/></s:features>`
    const events = stream.push(Buffer.from(inherited))
    expect(events).toHaveLength(3)
    for (const event of events) {
      if (event.type !== 'element') throw new Error(event.type)
      const alone = scanDocument(event.element.canonical(), LIMITS)
      if (isXmlViolation(alone)) throw new Error(alone.detail)
      expect(alone.namespace).toBe(event.element.namespace)
      expect(alone.canonical()).toEqual(event.element.canonical())
    }
  })

  it('[XM-05] depth, attributes, declarations, elements, names and size are limited', () => {
    const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`
    const attributes = (count: number) => Array.from({ length: count }, (_, i) => ` a${i}=''`).join('')
    const declarations = (count: number) =>
      Array.from({ length: count }, (_, i) => ` xmlns:a${i}='u'`).join('')
    const rows: readonly (readonly [string, (count: number) => string, number])[] = [
      ['depth', nested, 64],
      ['attributes', count => `<a${attributes(count)}/>`, 128],
      ['namespaces', count => `<a${declarations(count)}/>`, 32],
      ['elements', count => `<a>${'<b/>'.repeat(count - 1)}</a>`, 10_000],
      ['nameBytes', count => `<${'a'.repeat(count)}/>`, 1_024],
      ['bytes', count => `<a>${'x'.repeat(count - 7)}</a>`, 524_288],
    ]
    for (const [limit, xml, value] of rows) {
      expect(refusal(xml(value)), limit).toBeNull()
      expect(refusal(xml(value + 1)), limit).toMatchObject({ condition: 'policy-violation', limit })
    }
  })

  it('[SZ-24] a stanza of 10 000 bytes passes before authentication, one of more does not', () => {
    const before = xmlLimits(defaultLimits, 'before-authentication')
    const xml = (bytes: number) => Buffer.from(`<a>${'x'.repeat(bytes - 7)}</a>`)
    expect(isXmlViolation(scanDocument(xml(10_000), before))).toBe(false)
    expect(scanDocument(xml(10_001), before)).toMatchObject({ condition: 'policy-violation', rule: 'SZ-24' })
  })

  it('[XM-06] what XML cannot carry is written as U+FFFD', () => {
    for (const text of ['\u0000', '\u000b', '\ud800', '\udc00', '\uffff']) {
      const bytes = serialize(element('a', 'u', { b: text }, text))
      expect(Buffer.from(bytes).toString()).toBe(`<a xmlns='u' b='\ufffd'>\ufffd</a>`)
      expect(refusal(bytes)).toBeNull()
    }
  })

  it('[XM-07] duplicate attributes are refused, by what their names mean', () => {
    const many = Array.from({ length: 20 }, (_, i) => ` a${i}=''`).join('')
    for (const xml of [
      `<a b='' b=''/>`,
      `<a${many} a7=''/>`,
      `<a xmlns='u' xmlns='u'/>`,
      `<a xmlns:p='u' xmlns:p='u'/>`,
      `<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>`,
      `<p:a xmlns:p='u'><q:b xmlns:q='&#117;' p:c='' q:c=''/></p:a>`,
    ]) {
      expect(refusal(xml), xml).toMatchObject({ condition: 'not-well-formed', rule: 'XM-07' })
    }
    expect(refusal(`<a xmlns:p='u' xmlns:q='v' p:b='' q:b='' b=''/>`)).toBeNull()
  })

  it('[XM-07] xml needs no declaration; xml and xmlns cannot be bound otherwise', () => {
    const xml = 'http://www.w3.org/XML/1998/namespace'
    const xmlns = 'http://www.w3.org/2000/xmlns/'
    expect(refusal(`<a xml:lang='de'/>`)).toBeNull()
    expect(refusal(`<a xmlns:xml='${xml}'/>`)).toBeNull()
    for (const declaration of [
      `xmlns:xml='u'`,
      `xmlns:p='${xml}'`,
      `xmlns='${xml}'`,
      `xmlns:p='http://www.w3.org/XML/1998/name&#115;pace'`,
      `xmlns:xmlns='${xmlns}'`,
      `xmlns:xmlns='u'`,
      `xmlns:p='${xmlns}'`,
      `xmlns='${xmlns}'`,
    ]) {
      expect(refusal(`<a ${declaration}/>`), declaration).toMatchObject({
        condition: 'not-well-formed',
        rule: 'XM-07',
      })
    }
    expect(refusal('<xmlns:a/>')).toMatchObject({ condition: 'not-well-formed' })
  })
})

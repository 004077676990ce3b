import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../../src/xml/index.ts'
import {
  bounce,
  element,
  iq,
  isViolation,
  message,
  NS,
  presence,
  rescoped,
  resultOf,
  type Stanza,
  stanzaFromElement,
  stanzaFromScanned,
} from '../../../src/xmpp/index.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const text = (stanza: Stanza | null) => (stanza === null ? null : Buffer.from(stanza.bytes).toString())
const pair = { from: 'juliet@capulet.example/balcony', to: 'romeo@montague.example' }

function received(xml: string): Stanza {
  const scanned = scanDocument(Buffer.from(xml), LIMITS)
  if (isXmlViolation(scanned)) throw new Error(scanned.detail)
  const stanza = stanzaFromScanned(scanned)
  if (isViolation(stanza)) throw new Error(stanza.detail)
  return stanza
}

describe('stanzas that start here', () => {
  it('have the bytes of the examples', () => {
    expect(
      text(message({ ...pair, id: 'm1', type: 'chat', lang: 'en', body: 'Art thou <not> Romeo?' })),
    ).toBe(
      `<message xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example' id='m1' type='chat' xml:lang='en'><body>Art thou &lt;not&gt; Romeo?</body></message>`,
    )
    expect(text(presence(pair))).toBe(
      `<presence xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example'/>`,
    )
    expect(text(iq({ ...pair, type: 'get', id: 'p1', payload: element('ping', NS.ping) }))).toBe(
      `<iq xmlns='jabber:server' from='juliet@capulet.example/balcony' to='romeo@montague.example' id='p1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
    )
  })

  it('say the same when they are read again', () => {
    const sent = message({
      ...pair,
      id: `'"&<>\t`,
      body: 'a\r\n]]>\u{1f339}',
      payload: element('x', 'urn:x', { a: '1' }),
    })
    const back = received(String(text(sent)))
    expect(back).toMatchObject({ kind: 'message', id: `'"&<>\t`, type: '' })
    expect(back.element().children).toEqual(sent.element().children)
    expect(text(back)).toBe(text(sent))
  })

  it('misuse is a defect of the caller', () => {
    expect(() => message({ from: 'a@@b', to: 'c' })).toThrow(TypeError)
    const answer = resultOf(iq({ ...pair, type: 'set', id: '1', payload: element('a', 'u') }))
    expect(() => resultOf(answer)).toThrow(TypeError)
    expect(() => stanzaFromElement(element('iq', NS.server, pair))).toThrow(TypeError)
    expect(() => stanzaFromElement(element('message', 'urn:x', pair))).toThrow(TypeError)
  })
})

describe('answers', () => {
  const request = received(
    `<iq xmlns='jabber:server' from='${pair.from}' to='${pair.to}' id='1' type='get'><q xmlns='urn:q'/></iq>`,
  )

  it('[SZ-10] a result copies the id and swaps the addresses', () => {
    expect(text(resultOf(request))).toBe(
      `<iq xmlns='jabber:server' from='${pair.to}' to='${pair.from}' id='1' type='result'/>`,
    )
  })

  it('an iq is bounced with its payload unless it is large', () => {
    const error = `<error type='cancel'><service-unavailable xmlns='${NS.stanzaErrors}'/></error></iq>`
    const head = `<iq xmlns='jabber:server' from='${pair.to}' to='${pair.from}' id='1' type='error'>`
    expect(text(bounce(request, { condition: 'service-unavailable' }))).toBe(
      `${head}<q xmlns='urn:q'/>${error}`,
    )
    expect(text(bounce(request, { condition: 'service-unavailable' }, 20))).toBe(`${head}${error}`)
  })

  it('an error is never answered', () => {
    const returned = bounce(request, { condition: 'gone' })
    if (returned === null) throw new Error('not bounced')
    expect(bounce(returned, { condition: 'gone' })).toBeNull()
  })
})

describe('rescoped', () => {
  it('moves what inherited the namespace, not what only looks like it', () => {
    const tree = received(
      `<message xmlns='jabber:server' from='a' to='b'><body>x</body><f xmlns='urn:f'><message xmlns='jabber:server'/></f></message>`,
    ).element()
    const moved = rescoped(tree, NS.client)
    expect(moved.namespace).toBe(NS.client)
    expect(moved.children).toMatchObject([
      { name: 'body', namespace: NS.client },
      { name: 'f', namespace: 'urn:f', children: [{ name: 'message', namespace: NS.server }] },
    ])
    expect(text(stanzaFromElement(moved))).toBe(text(stanzaFromElement(tree)))
  })
})

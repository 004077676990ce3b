import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { type Codec, type OutgoingFrame, OVERSIZE } from '../../../src/framing/index.ts'
import { element, NS } from '../../../src/xmpp/index.ts'
import { FROM_CAPULET, GOOD_MESSAGE, TCP, WEBSOCKET, WIRES, type Wire } from '../../kit/streams.ts'
import { treeOf } from '../../kit/xml-tree.ts'

const encoder = new TextEncoder()
const codec = (wire: Wire) => wire.codec(defaultLimits, 'authenticated')
const decode = (with_: Codec, text: string) => with_.decode(encoder.encode(text))
const encode = (wire: Wire, frame: OutgoingFrame) => {
  const encoded = codec(wire).encode(frame)
  return typeof encoded === 'string' ? encoded : new TextDecoder().decode(encoded)
}

describe.each(WIRES)('the codec of $name', wire => {
  it('reads back what it writes', () => {
    const header = {
      from: 'capulet.example',
      to: 'montague.example',
      id: 'a1',
      version: '1.0',
      lang: 'en',
      dialback: true,
    }
    const reader = codec(wire)
    expect(decode(reader, encode(wire, { type: 'open', header }))).toEqual([{ type: 'open', header }])
    const features = {
      ...element('features', NS.stream, {}, element('x', 'urn:x', { a: '<&>"\'' })),
      prefix: 'stream',
    }
    const [frame] = decode(reader, encode(wire, { type: 'element', element: features }))
    if (frame?.type !== 'element') throw new Error('no element')
    expect(treeOf(new TextDecoder().decode(frame.element.canonical()))).toEqual({
      name: `{${NS.stream}}features`,
      attributes: {},
      children: [{ name: '{urn:x}x', attributes: { a: '<&>"\'' }, children: [] }],
    })
    expect(decode(reader, encode(wire, { type: 'close' }))).toEqual([{ type: 'close' }])
  })

  it('leaves absent attributes out, and keeps empty ones', () => {
    const header = { from: '', id: 'a1', dialback: false }
    const text = encode(wire, { type: 'open', header })
    expect(text.replace(/^<\?.*?\?>/, '')).not.toMatch(/ to=| version=| xml:lang=|xmlns:db/)
    expect(decode(codec(wire), text)).toEqual([{ type: 'open', header }])
  })

  it('hands a stanza’s bytes on as they are', () => {
    const bytes = encoder.encode(GOOD_MESSAGE)
    expect(codec(wire).encode({ type: 'stanza', bytes })).toBe(bytes)
  })

  it('yields nothing more after a violation', () => {
    const reader = codec(wire)
    expect(decode(reader, wire.open(FROM_CAPULET))).toHaveLength(1)
    expect(decode(reader, '<!-- x -->')).toMatchObject([
      { type: 'violation', violation: { condition: 'restricted-xml' } },
    ])
    expect(decode(reader, GOOD_MESSAGE)).toEqual([])
    expect(decode(reader, wire.close)).toEqual([])
  })

  it('takes other limits for the next element', () => {
    const reader = wire.codec(defaultLimits, 'before-authentication')
    const large = `<x xmlns='urn:x'>${'a'.repeat(10_000)}</x>`
    decode(reader, wire.open(FROM_CAPULET))
    reader.setLimits({ bytes: 20_000, depth: 8, elements: 8, attributes: 8, namespaces: 8, nameBytes: 64 })
    expect(decode(reader, large)).toMatchObject([{ type: 'element' }])
    reader.setLimits({ bytes: 10_000, depth: 8, elements: 8, attributes: 8, namespaces: 8, nameBytes: 64 })
    expect(decode(reader, large)).toEqual([{ type: 'violation', violation: OVERSIZE }])
  })

  it('starts anew after a restart', () => {
    const reader = codec(wire)
    for (let n = 0; n < 3; n++) {
      expect(decode(reader, wire.open({ ...FROM_CAPULET, id: `a${n}` }))).toMatchObject([
        { type: 'open', header: { id: `a${n}` } },
      ])
      expect(decode(reader, GOOD_MESSAGE)).toMatchObject([{ type: 'element' }])
      reader.restart()
    }
  })
})

describe('the codec of TCP', () => {
  it('makes no difference of how the bytes are cut', () => {
    const whole = encoder.encode(
      `${TCP.open(FROM_CAPULET)}\n ${GOOD_MESSAGE}${GOOD_MESSAGE.replace('hello', 'ö€😀')}</stream:stream>`,
    )
    const kinds = (chunks: readonly Uint8Array[]) => {
      const reader = codec(TCP)
      return chunks
        .flatMap(chunk => reader.decode(chunk))
        .map(frame =>
          frame.type === 'element' ? new TextDecoder().decode(frame.element.canonical()) : frame,
        )
    }
    const expected = kinds([whole])
    expect(expected).toHaveLength(4)
    for (let cut = 0; cut <= whole.length; cut++)
      expect(kinds([whole.subarray(0, cut), whole.subarray(cut)])).toEqual(expected)
    expect(kinds([...whole].map(byte => Uint8Array.of(byte)))).toEqual(expected)
  })

  it('takes the header of a server stream only', () => {
    const open = TCP.open(FROM_CAPULET)
    const condition = (text: string) => {
      const [decoded] = decode(codec(TCP), text)
      return decoded?.type === 'violation' ? decoded.violation.condition : decoded?.type
    }
    expect(condition(open)).toBe('open')
    expect(condition(open.replace("xmlns='jabber:server'", "xmlns='jabber:client'"))).toBe(
      'invalid-namespace',
    )
    expect(condition(open.replace("xmlns='jabber:server'", ''))).toBe('invalid-namespace')
    expect(condition(open.replace(NS.stream, 'urn:x'))).toBe('invalid-namespace')
    expect(condition(open.replaceAll('stream:stream', 'stream:open'))).toBe('bad-format')
    expect(condition(`<stream xmlns='${NS.stream}' from='capulet.example'>`)).toBe('open')
    expect(condition(open.replaceAll('stream:stream', 's:stream').replace('xmlns:stream', 'xmlns:s'))).toBe(
      'open',
    )
  })

  it('reads nothing after the end of the stream', () => {
    const reader = codec(TCP)
    expect(decode(reader, `${TCP.open(FROM_CAPULET)}</stream:stream>${GOOD_MESSAGE}`)).toMatchObject([
      { type: 'open' },
      { type: 'close' },
    ])
    expect(decode(reader, GOOD_MESSAGE)).toEqual([])
  })
})

describe('the codec of WebSocket', () => {
  it('reads and writes redirects', () => {
    const frame = { type: 'close', seeOtherUri: 'wss://b.example/?a=1&b=2' } as const
    const text = encode(WEBSOCKET, frame)
    expect(treeOf(text).attributes).toEqual({ 'see-other-uri': frame.seeOtherUri })
    expect(decode(codec(WEBSOCKET), text)).toEqual([frame])
  })
})

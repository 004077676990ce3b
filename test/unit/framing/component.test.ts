import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { componentCodec, type Decoded } from '../../../src/framing/index.ts'
import { xmlLimits } from '../../../src/xml/index.ts'
import { element, NS, type Stanza, stanzaFromElement } from '../../../src/xmpp/index.ts'
import { headerOf } from '../../kit/component.ts'
import { stanza } from '../../kit/stanza.ts'
import { type Tree, treeOf } from '../../kit/xml-tree.ts'

const codec = () => componentCodec(xmlLimits(defaultLimits, 'authenticated'))
const text = (bytes: Uint8Array | string) => Buffer.from(bytes).toString()

const HEADER = headerOf('bot.example')
const ADDRESSED = `from='a@bot.example' to='romeo@montague.example'`

/** What a component says after its header. */
function decoded(xml: string, chunkBytes = Number.POSITIVE_INFINITY): readonly Decoded[] {
  const reader = codec()
  const bytes = Buffer.from(HEADER + xml)
  const all: Decoded[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // Copies: each chunk is a read of its own.
    all.push(...reader.decode(Uint8Array.from(bytes.subarray(at, at + chunkBytes))))
    if (chunkBytes === Number.POSITIVE_INFINITY) break
  }
  return all.slice(1)
}

function arriving(xml: string): { bytes: string; tree: unknown } {
  const [frame] = decoded(xml)
  if (frame?.type !== 'element') throw new Error(JSON.stringify(frame))
  return { bytes: text(frame.element.canonical()), tree: frame.element.element() }
}

const leaving = (sent: Pick<Stanza, 'bytes'>) => text(codec().encode({ type: 'stanza', bytes: sent.bytes }))

const server = (content: string) => `<message xmlns='jabber:server' ${ADDRESSED}>${content}</message>`
const component = (content: string) => `<message xmlns='${NS.component}' ${ADDRESSED}>${content}</message>`

describe('the codec of a component', () => {
  it('writes a header in its namespace, without what it has not', () => {
    const header = { from: 'bot.example', id: 's1', dialback: false }
    expect(codec().encode({ type: 'open', header })).toBe(
      `<?xml version='1.0'?><stream:stream xmlns='${NS.component}' xmlns:stream='${NS.stream}' from='bot.example' id='s1'>`,
    )
    expect(codec().encode({ type: 'close' })).toBe('</stream:stream>')
  })

  it('writes elements of its own in its namespace, others as they are', () => {
    const written = (namespace: string) =>
      text(codec().encode({ type: 'element', element: element('handshake', namespace) }))
    expect(written(NS.server)).toBe(`<handshake xmlns='${NS.component}'/>`)
    expect(written('urn:x')).toBe(`<handshake xmlns='urn:x'/>`)
  })

  // What a component says on the left is the stanza of servers on the right, and the other way.
  it.each([
    ['nothing', '', ''],
    ['a child that inherits', '<body>hi</body>', '<body>hi</body>'],
    ['a child that inherits with one that does', '<a><b/></a>', '<a><b/></a>'],
    ['a child that says it again', `<body xmlns='C'>hi</body>`, '<body>hi</body>'],
    [
      'one that says it in other words',
      `<body xmlns='jabber&#58;component:accept'>hi</body>`,
      '<body>hi</body>',
    ],
    ['one that says it by a prefix', `<c:body xmlns:c='C'>hi</c:body>`, '<body>hi</body>'],
    ['one of another namespace', `<x xmlns='urn:x'><y/></x>`, `<x xmlns='urn:x'><y/></x>`],
    [
      'a forwarded stanza of clients',
      `<f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f>`,
      `<f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f>`,
    ],
    ['what is in no namespace', `<x xmlns=''/>`, `<x xmlns=''/>`],
    ['the namespace as text', `<body>xmlns='C'</body>`, `<body>xmlns='C'</body>`],
    ['the namespace as an attribute', `<x xmlns='urn:x' a='C'/>`, `<x xmlns='urn:x' a='C'/>`],
    ['CDATA', '<body><![CDATA[<x xmlns="]]></body>', '<body>&lt;x xmlns="</body>'],
  ])('%s', (_, one, other) => {
    const said = one.replaceAll("'C'", `'${NS.component}'`)
    const means = other.replaceAll("'C'", `'${NS.component}'`)
    for (const wire of [`<message ${ADDRESSED}>${said}</message>`, component(said)]) {
      const { bytes, tree } = arriving(wire)
      expect(treeOf(bytes)).toEqual(treeOf(server(means)))
      expect(tree).toMatchObject({ namespace: NS.server })
      expect(treeOf(text(stanzaFromElement(stanza(bytes).element()).bytes))).toEqual(treeOf(bytes))
    }
    const back = said
      .replaceAll(NS.component, NS.server)
      .replace('jabber&#58;component:accept', 'jabber&#58;server')
    const goes = means.replaceAll(NS.component, NS.server)
    expect(treeOf(leaving(stanza(server(back))))).toEqual(treeOf(component(goes)))
  })

  it('a stanza of servers inside another element stays one, both ways', () => {
    const inside = `<f xmlns='urn:f'><message xmlns='jabber:server'><body>old</body></message></f>`
    expect(treeOf(arriving(`<message ${ADDRESSED}>${inside}</message>`).bytes)).toEqual(
      treeOf(server(inside)),
    )
    expect(treeOf(leaving(stanza(server(inside))))).toEqual(treeOf(component(inside)))
  })

  it('below an element with a prefix the default namespace is that of the stream still', () => {
    const inside = `<p:f xmlns:p='urn:f'><body xmlns='jabber:server'/></p:f>`
    expect(treeOf(leaving(stanza(server(`<p:f xmlns:p='urn:f'><body/></p:f>`))))).toEqual(
      treeOf(component(inside)),
    )
  })

  it.each([
    `<message xmlns='jabber:server' ${ADDRESSED}/>`,
    `<message ${ADDRESSED} xmlns="jabber:server"/>`,
    `<message id='a>b' ${ADDRESSED} xmlns = 'jabber:server' >text</message>`,
    `<message id=" xmlns='x'" ${ADDRESSED} xmlns='jabber:server'/>`,
    `<message xmlns='jabber:server' id="it's" ${ADDRESSED} type=''><body>a &amp; b</body></message>`,
  ])('only the root’s declaration changes: %s', xml => {
    const bytes = Buffer.from(xml)
    const leaves = text(codec().encode({ type: 'stanza', bytes }))
    expect(leaves).toBe(xml.replace('jabber:server', NS.component))
    expect(bytes.toString()).toBe(xml)
  })

  it('what is written stands alone and means what the tree says, whatever is inside', () => {
    const namespace = fc.constantFrom(NS.server, NS.component, NS.client, 'urn:x', '')
    const { tree } = fc.letrec<{ tree: ReturnType<typeof element> }>(tie => ({
      tree: fc
        .record({
          name: fc.constantFrom('a', 'b'),
          namespace,
          prefix: fc.constantFrom('', 'p', 'q'),
          value: fc.constantFrom('', NS.server, ` xmlns='${NS.server}'`, '&#9;\t'),
          children: fc.array(
            fc.oneof({ depthSize: 'small' }, fc.constantFrom('text', NS.server), tie('tree')),
            {
              maxLength: 3,
            },
          ),
        })
        .map(({ name, namespace: of, prefix, value, children }) => ({
          ...element(name, of, { value }, ...children),
          prefix,
        })),
    }))
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 3 }), payload => {
        const root = element('message', NS.server, { from: 'a@b.example', to: 'c@d.example' }, ...payload)
        const sent = stanzaFromElement(root)
        const wire = leaving(sent)
        const [frame] = decoded(wire)
        if (frame?.type !== 'element') throw new Error(JSON.stringify(frame))
        expect(moved(treeOf(text(sent.bytes)), NS.server, NS.component)).toEqual(treeOf(wire))
        expect(moved(treeOf(wire), NS.component, NS.server)).toEqual(treeOf(text(frame.element.canonical())))
      }),
      { numRuns: 500 },
    )
  })

  it('reads the same however the bytes are cut', () => {
    const xml = `<handshake>abc</handshake> <message ${ADDRESSED}><body>ü</body></message>${component(
      `<x xmlns='urn:x'/>`,
    )}<stream:error><conflict xmlns='${NS.streamErrors}'/></stream:error></stream:stream>`
    const spell = (frames: readonly Decoded[]) =>
      frames.map(frame =>
        frame.type === 'element' ? `${frame.element.namespace} ${text(frame.element.canonical())}` : frame,
      )
    const whole = spell(decoded(xml))
    expect(whole).toHaveLength(5)
    for (let chunkBytes = 1; chunkBytes <= 40; chunkBytes++)
      expect(spell(decoded(xml, chunkBytes))).toEqual(whole)
  })

  it('refuses elements of jabber:server, and yields nothing more', () => {
    expect(decoded(`${server('')}<message ${ADDRESSED}/>`)).toMatchObject([
      { type: 'violation', violation: { condition: 'invalid-namespace', rule: 'CO-01' } },
    ])
  })

  it('limits are those of the stream’s stage', () => {
    const reader = componentCodec(xmlLimits(defaultLimits, 'before-authentication'))
    const large = `<message ${ADDRESSED}><body>${'x'.repeat(20_000)}</body></message>`
    reader.decode(Buffer.from(HEADER))
    reader.setLimits(xmlLimits(defaultLimits, 'authenticated'))
    expect(reader.decode(Buffer.from(large))).toMatchObject([{ type: 'element' }])
    expect(
      componentCodec(xmlLimits(defaultLimits, 'before-authentication')).decode(Buffer.from(HEADER + large)),
    ).toMatchObject([{ type: 'open' }, { type: 'violation', violation: { application: 'stanza-too-big' } }])
  })
})

/** As `rescoped`, on the trees of another parser: nothing inside elements of other namespaces. */
function moved(tree: Tree, from: string, to: string): Tree {
  if (!tree.name.startsWith(`{${from}}`)) return tree
  const name = tree.name.replace(from, to)
  return {
    ...tree,
    name,
    children: tree.children.map(child => (typeof child === 'string' ? child : moved(child, from, to))),
  }
}

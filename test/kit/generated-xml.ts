import fc from 'fast-check'

// XML as a peer might write it: mostly right, with everything in it that parsers are known to disagree about.

const pick = (...values: readonly string[]) => fc.constantFrom(...values)
const often = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, weight = 12) =>
  fc.oneof({ arbitrary: usual, weight }, { arbitrary: rare, weight: 1 })

/** U+0218, U+10000 and U+FEFF are names in the 5th edition only. */
const local = often(
  pick('a', 'b', 'body', 'x-y', 'z.1', '_', 'é', 'Ж', '日本', 'e\u0301', 'a\u00b7'),
  pick('\u0218', 'a\u{10000}', 'a\ufeff', '1a', '-', 'a:b:c', ':', 'xmlns', '\u00d7', '__proto__'),
  30,
)
const prefix = often(pick('', '', '', 'p', 'q', 'xml'), pick('undeclared', 'db', 'stream', 'xmlns', 'é'), 30)
const name = fc.tuple(prefix, local).map(([p, l]) => (p === '' ? l : `${p}:${l}`))
const namespace = often(
  pick('urn:a', 'urn:b', 'jabber:server', 'urn:ü', 'a&amp;b'),
  pick(
    '',
    ' ',
    ' urn:a',
    'urn:a\u00a0',
    'u a',
    'a&#10;b',
    'http://www.w3.org/2000/xmlns/',
    'http://www.w3.org/XML/1998/namespace',
  ),
  30,
)

const piece = often(
  pick(
    'text',
    ' ',
    '\n',
    '\t',
    '&lt;',
    '&amp;',
    '&#65;',
    '&#x1F600;',
    '&#13;',
    '&#9;',
    '>',
    ']]',
    '\u{1f339}',
    '日本',
    'é',
    '\ufeff',
    '\u0085',
    '\u2028',
    '\u007f',
    '\u{1fffe}',
    "&apos;'".slice(0, 6),
  ),
  pick(
    '\r\n',
    '\r',
    '&nbsp;',
    '&#0;',
    '&#xD800;',
    '&#xFFFE;',
    '&',
    '\u0001',
    '\ufffe',
    ']]>',
    '&#X41;',
    '&#;',
    '&#00000000000000000065;',
    '&#4294967361;',
  ),
  25,
)
const text = fc.array(piece, { maxLength: 4 }).map(pieces => pieces.join(''))
const value = fc.tuple(text, pick("'", '"'), often(fc.constant(''), pick('<', "'", '"', ']]>', '/>'), 20))
const attribute = fc
  .tuple(name, value, often(fc.constant('='), pick(' = ', '=\n', ''), 20))
  .map(([n, [v, quote, odd], equals]) => `${n}${equals}${quote}${v}${odd}${quote}`)
const declaration = fc
  .tuple(
    often(pick('xmlns', 'xmlns:p', 'xmlns:q', 'xmlns:r'), pick('xmlns:xml', 'xmlns:xmlns', 'xmlns:é'), 30),
    namespace,
  )
  .map(([n, v]) => `${n}='${v}'`)
const inTag = fc
  .tuple(
    fc.array(declaration, { maxLength: 2 }),
    fc.array(attribute, { maxLength: 3 }),
    pick(' ', '  ', '\n'),
  )
  .map(([declarations, attributes, space]) =>
    [...declarations, ...attributes].map(one => space + one).join(''),
  )

const special = often(
  fc.tuple(text).map(([t]) => `<![CDATA[${t}<&]]>`),
  pick(
    '<!-- c -->',
    '<?pi?>',
    "<?xml version='1.0'?>",
    '<!DOCTYPE a>',
    '<![CDATA[',
    '</stream:stream>',
    '</a>',
    '<',
  ),
  6,
)

const { tree } = fc.letrec<{ tree: string; content: string }>(tie => ({
  content: fc
    .array(
      fc.oneof({ depthSize: 'small', withCrossShrink: true }, text, tie('tree'), often(text, special, 8)),
      { maxLength: 4 },
    )
    .map(parts => parts.join('')),
  tree: fc.tuple(name, inTag, tie('content'), fc.nat(9)).map(([n, t, c, shape]) => {
    if (c === '') return shape < 5 ? `<${n}${t}/>` : `<${n}${t}></${n} >`
    return `<${n}${t}>${c}</${n}>`
  }),
}))

/** A root that stands in a stream as stanzas do. */
export const generatedXml: fc.Arbitrary<string> = fc
  .tuple(
    often(fc.constant(''), pick("<?xml version='1.0'?>", ' ', '\ufeff', '\n'), 20),
    often(
      pick(
        "<message xmlns='jabber:server' xmlns:p='urn:p' xmlns:q='urn:p'",
        "<p:m xmlns:p='urn:p' xmlns:q='urn:q'",
      ),
      pick('<message', "<iq xmlns=''", "<message xmlns='jabber:server'"),
      6,
    ),
    inTag,
    fc.array(tree, { maxLength: 3 }),
    text,
    often(fc.constant(''), pick('\n', 'x', '<a/>', '</stream:stream>'), 20),
  )
  .map(([before, head, attributes, children, inner, after]) => {
    const rootName = /<([^ ]+)/.exec(head)?.[1] ?? ''
    return `${before}${head}${attributes}>${children.join('')}${inner}</${rootName}>${after}`
  })

/** Bytes changed, dropped, doubled, or exchanged for those of another. */
export const mutatedXml: fc.Arbitrary<Buffer> = fc
  .tuple(
    generatedXml,
    generatedXml,
    fc.array(fc.tuple(fc.nat(3), fc.nat(), fc.nat(255), fc.nat(20)), { minLength: 1, maxLength: 3 }),
  )
  .map(([xml, other, changes]) => {
    let bytes: Buffer<ArrayBufferLike> = Buffer.from(xml)
    const donor = Buffer.from(other)
    for (const [kind, where, byte, length] of changes) {
      const at = where % bytes.length
      const head = bytes.subarray(0, at)
      if (kind === 0) bytes = Buffer.concat([head, Buffer.of(byte), bytes.subarray(at + 1)])
      else if (kind === 1) bytes = Buffer.concat([head, bytes.subarray(at + 1 + length)])
      else if (kind === 2) bytes = Buffer.concat([head, bytes.subarray(Math.max(0, at - length))])
      else bytes = Buffer.concat([head, donor.subarray(where % donor.length)])
      if (bytes.length === 0) break
    }
    return Buffer.from(bytes)
  })

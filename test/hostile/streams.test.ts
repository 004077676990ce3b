import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  auth,
  CLOSE,
  conditionOf,
  type Depth,
  MALLORY,
  message,
  open,
  type Scene,
  scene,
} from '../kit/mallory.ts'

// What a peer may say on a stream that is wrong (reference 3.4 of the test plan, with SASL and limits), against a running
// federation. After each case two others still talk through it, nobody has got anything, and every handle is gone.

const NS = {
  framing: 'urn:ietf:params:xml:ns:xmpp-framing-server',
  framingC2s: 'urn:ietf:params:xml:ns:xmpp-framing',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  stream: 'http://etherx.jabber.org/streams',
  tls: 'urn:ietf:params:xml:ns:xmpp-tls',
}
const bytes = (...values: number[]) => Uint8Array.from(values)
const around = (text: string, ...middle: number[]) => {
  const [before = '', after = ''] = text.split('|')
  return Uint8Array.from([...Buffer.from(before), ...middle, ...Buffer.from(after)])
}
const nested = (depth: number) => `${'<a xmlns="urn:x">'.repeat(depth)}${'</a>'.repeat(depth)}`
const siblings = (count: number) => '<a xmlns="urn:x"/>'.repeat(count)
const attributes = (count: number) =>
  `<a xmlns="urn:x" ${Array.from({ length: count }, (_, n) => `a${n}="x"`).join(' ')}/>`
const declarations = (count: number) =>
  `<a xmlns="urn:x" ${Array.from({ length: count }, (_, n) => `xmlns:p${n}="urn:p"`).join(' ')}/>`
const from = (jid: string) => message().replace(`m@${MALLORY}`, jid)
const to = (jid: string) => message().replace('romeo@montague.example', jid)

type Said = string | Uint8Array
type Row = readonly [title: string, condition: string, ...said: Said[]]

const refused: Readonly<Record<Depth, readonly Row[]>> = {
  upgraded: [
    ['a stanza first', 'bad-format', message()],
    ['auth first', 'bad-format', auth()],
    ['a close first', 'bad-format', CLOSE],
    [
      'a stream header as over TCP',
      'bad-format',
      `<stream:stream xmlns:stream="${NS.stream}" xmlns="jabber:server" version="1.0"/>`,
    ],
    ['the open of client streams', 'invalid-namespace', open().replace(NS.framing, NS.framingC2s)],
    ['an open in jabber:server', 'invalid-namespace', open().replace(NS.framing, 'jabber:server')],
    ['an open in no namespace', 'invalid-namespace', open().replace(` xmlns='${NS.framing}'`, '')],
    [
      'an open in the namespace in other letters',
      'invalid-namespace',
      open().replace(NS.framing, NS.framing.toUpperCase()),
    ],
    ['OPEN', 'bad-format', open().replace('<open', '<OPEN')],
    ['an open with text in it', 'bad-format', open().replace('/>', '>text</open>')],
    ['an open with a child', 'bad-format', open().replace('/>', '><a/></open>')],
    ['two opens in one message', 'not-well-formed', open() + open()],
    ['an open and a stanza in one message', 'not-well-formed', open() + message()],
    ['an open without to', 'improper-addressing', open(`from='${MALLORY}'`)],
    ['an open to nobody', 'improper-addressing', open(`from='${MALLORY}' to=''`)],
    ['an open to a user', 'improper-addressing', open(`from='${MALLORY}' to='romeo@montague.example'`)],
    ['an open to a resource', 'improper-addressing', open(`from='${MALLORY}' to='montague.example/orchard'`)],
    [
      'an open to a domain that is none',
      'improper-addressing',
      open(`from='${MALLORY}' to='montague..example'`),
    ],
    ['an open to a stranger', 'host-unknown', open(`from='${MALLORY}' to='verona.example'`)],
    ['an open to a subdomain', 'host-unknown', open(`from='${MALLORY}' to='rooms.montague.example'`)],
    [
      'an open to two',
      'not-well-formed',
      open(`from='${MALLORY}' to='montague.example' to='capulet.example'`),
    ],
    ['an open from us', 'invalid-from', open(`from='montague.example' to='montague.example'`)],
    [
      'an open from us in other letters',
      'invalid-from',
      open(`from='MONTAGUE.EXAMPLE.' to='montague.example'`),
    ],
    ['an open without version', 'unsupported-version', open().replace(` version='1.0'`, '')],
    ['an open of version 0.9', 'unsupported-version', open().replace('1.0', '0.9')],
    ['an open of version one', 'unsupported-version', open().replace('1.0', 'one')],
    ['nothing', 'bad-format', ''],
    ['white space', 'bad-format', ' \r\n\t'],
    ['text', 'bad-format', 'hello'],
    ['text before the open', 'bad-format', `x${open()}`],
    ['text behind the open', 'not-well-formed', `${open()}x`],
    ['a byte order mark', 'bad-format', around(`|${open()}`, 0xef, 0xbb, 0xbf)],
    ['UTF-16', 'bad-format', bytes(0x00, 0x3c, 0x00, 0x61)],
    ['half an open', 'not-well-formed', open().slice(0, -2)],
    ['a comment', 'restricted-xml', `<!-- x -->${open()}`],
    ['a document type', 'restricted-xml', `<!DOCTYPE open [<!ENTITY a "b">]>${open()}`],
    ['a processing instruction', 'restricted-xml', `<?php?>${open()}`],
    ['an XML declaration of another version', 'restricted-xml', `<?xml version="1.1"?>${open()}`],
    [
      'an XML declaration of another encoding',
      'unsupported-encoding',
      `<?xml version="1.0" encoding="ISO-8859-1"?>${open()}`,
    ],
    ['an entity', 'restricted-xml', open(`from='&evil;' to='montague.example'`)],
    [
      'a first message of 11 000 bytes',
      'policy-violation',
      open(`from='${MALLORY}' to='montague.example' a='${'x'.repeat(11_000)}'`),
    ],
    ['a first message of 33 elements', 'policy-violation', `<a xmlns="urn:x">${'<b/>'.repeat(33)}</a>`],
    ['a first message 9 deep', 'policy-violation', nested(9)],
    [
      'an attribute without a declared prefix',
      'not-well-formed',
      open(`from='${MALLORY}' to='montague.example' x:y=''`),
    ],
    ['a prefix that nothing declares', 'not-well-formed', open().replace('<open', '<f:open')],
  ],
  opened: [
    ['a second open', 'bad-format', open()],
    ['a stanza before authentication', 'not-authorized', message()],
    ['presence before authentication', 'not-authorized', message().replaceAll('message', 'presence')],
    ['features', 'unsupported-stanza-type', `<stream:features xmlns:stream="${NS.stream}"/>`],
    ['STARTTLS', 'unsupported-stanza-type', `<starttls xmlns="${NS.tls}"/>`],
    ['something unheard of', 'unsupported-stanza-type', '<foo xmlns="urn:x"/>'],
    [
      'the answer to a question that nobody asked',
      'unsupported-stanza-type',
      `<success xmlns="${NS.sasl}"/>`,
    ],
    ['a client stanza', 'invalid-namespace', message().replace('jabber:server', 'jabber:client')],
    ['half a message', 'not-well-formed', auth().slice(0, -1)],
    ['an auth with a comment', 'restricted-xml', auth('<!-- x -->')],
    [
      'four SASL answers without a challenge',
      'policy-violation',
      ...Array.from({ length: 4 }, () => `<response xmlns="${NS.sasl}"/>`),
    ],
    [
      'four attempts with what is not offered',
      'policy-violation',
      ...Array.from({ length: 4 }, () => auth('=', 'PLAIN')),
    ],
    [
      'four attempts as somebody else',
      'policy-violation',
      ...Array.from({ length: 4 }, () => auth(Buffer.from('capulet.example').toString('base64'))),
    ],
    ['four attempts that are no base64', 'policy-violation', ...Array.from({ length: 4 }, () => auth('***'))],
  ],
  authenticated: [
    ['a stanza of another domain', 'invalid-from', from('juliet@capulet.example')],
    ['a stanza of ours', 'invalid-from', from('benvolio@montague.example')],
    ['a stanza of a subdomain', 'invalid-from', from('m@rooms.mallory.example')],
    ['a stanza of a domain that looks alike', 'invalid-from', from('m@mallory.example.evil.example')],
    ['a stanza to a third server', 'host-unknown', to('juliet@capulet.example')],
    ['a stanza to a subdomain', 'host-unknown', to('romeo@rooms.montague.example')],
    ['a stanza without from', 'improper-addressing', message().replace(/ from='[^']*'/, '')],
    ['a stanza without to', 'improper-addressing', message().replace(/ to='[^']*'/, '')],
    ['a stanza from nobody', 'improper-addressing', from('')],
    ['a stanza from what is no JID', 'improper-addressing', from(`@${MALLORY}`)],
    ['a stanza from a JID with a control character', 'improper-addressing', from(`m&#x9;@${MALLORY}`)],
    ['a stanza to a JID of 3 000 bytes', 'policy-violation', to(`${'r'.repeat(600_000)}@montague.example`)],
    ['a client stanza', 'invalid-namespace', message().replace('jabber:server', 'jabber:client')],
    ['a stanza in no namespace', 'unsupported-stanza-type', message().replace(" xmlns='jabber:server'", '')],
    [
      'a stanza of a component',
      'unsupported-stanza-type',
      message().replace('jabber:server', 'jabber:component:accept'),
    ],
    [
      'a stanza with a prefix',
      'bad-namespace-prefix',
      message('')
        .replace(/^<message xmlns=/, '<s:message xmlns:s=')
        .replace('</message>', '</s:message>'),
    ],
    [
      'an iq without id',
      'invalid-xml',
      `<iq xmlns="jabber:server" from="m@${MALLORY}" to="montague.example" type="get"><ping xmlns="urn:xmpp:ping"/></iq>`,
    ],
    [
      'an iq of no type',
      'invalid-xml',
      `<iq xmlns="jabber:server" id="1" from="m@${MALLORY}" to="montague.example"><ping xmlns="urn:xmpp:ping"/></iq>`,
    ],
    [
      'an iq of a type that there is not',
      'invalid-xml',
      `<iq xmlns="jabber:server" id="1" type="put" from="m@${MALLORY}" to="montague.example"><ping xmlns="urn:xmpp:ping"/></iq>`,
    ],
    ['another open', 'bad-format', open()],
    ['nothing', 'bad-format', ''],
    ['white space', 'bad-format', ' '],
    ['text behind a stanza', 'not-well-formed', `${message()}x`],
    ['two stanzas in one message', 'not-well-formed', message() + message()],
    ['a comment in a stanza', 'restricted-xml', message('<!-- -->')],
    ['a processing instruction in a stanza', 'restricted-xml', message('<?x?>')],
    ['a document type', 'restricted-xml', `<!DOCTYPE message>${message()}`],
    ['an entity of HTML', 'restricted-xml', message('<body>&nbsp;</body>')],
    ['U+0000 as a reference', 'not-well-formed', message('<body>&#0;</body>')],
    ['U+FFFF as a reference', 'not-well-formed', message('<body>&#xFFFF;</body>')],
    ['a surrogate as a reference', 'not-well-formed', message('<body>&#xD800;</body>')],
    ['a control character', 'not-well-formed', message('<body>\u0001</body>')],
    ['U+FFFE', 'not-well-formed', message('<body>\uFFFE</body>')],
    [']]> in text', 'not-well-formed', message('<body>]]></body>')],
    ['a bare ampersand', 'not-well-formed', message('<body>a & b</body>')],
    ['< in an attribute', 'not-well-formed', message('', " id='<'")],
    ['an attribute twice', 'not-well-formed', message('', " id='1' id='2'")],
    [
      'an attribute twice through two prefixes',
      'not-well-formed',
      message('<a xmlns:p="urn:x" xmlns:q="urn:x" p:a="" q:a=""/>'),
    ],
    ['a prefix that nothing declares', 'not-well-formed', message('<a:b/>')],
    ['the prefix xmlns declared', 'not-well-formed', message('<a xmlns:xmlns="urn:x"/>')],
    ['the prefix xml bound elsewhere', 'not-well-formed', message('<a xmlns:xml="urn:x"/>')],
    ['a prefix unbound', 'not-well-formed', message('<a xmlns:p=""/>')],
    ['wrong nesting', 'not-well-formed', message('<a><b></a></b>')],
    ['an end too many', 'not-well-formed', `${message()}</message>`],
    ['a name of the fifth edition only', 'not-well-formed', message('<a\u{10000} xmlns="urn:x"/>')],
    ['a stanza over the limit', 'policy-violation', message(`<body>${'x'.repeat(512 * 1024)}</body>`)],
    ['a stanza 65 deep', 'policy-violation', message(nested(64))],
    ['a stanza of 10 001 elements', 'policy-violation', message(siblings(10_000))],
    ['an element with 129 attributes', 'policy-violation', message(attributes(129))],
    ['an element with 33 declarations', 'policy-violation', message(declarations(33))],
    ['a name of 2 000 bytes', 'policy-violation', message(`<${'a'.repeat(2_000)}/>`)],
  ],
}

// What ends the stream in order, or leaves it open: no error, and nothing delivered.
type Quiet = readonly [title: string, depth: Depth, ended: 'closed' | 'open', ...said: Said[]]
const quiet: readonly Quiet[] = [
  ['a close after features', 'opened', 'closed', CLOSE],
  [
    'a close in the namespace of client streams',
    'opened',
    'closed',
    CLOSE.replace(NS.framing, NS.framingC2s),
  ],
  ['a redirect', 'authenticated', 'closed', CLOSE.replace('/>', ` see-other-uri='wss://127.0.0.1:22/s2s'/>`)],
  [
    'a stream error',
    'authenticated',
    'closed',
    `<stream:error xmlns:stream="${NS.stream}"><undefined-condition xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`,
  ],
  ['a stream error that is empty', 'opened', 'closed', `<stream:error xmlns:stream="${NS.stream}"/>`],
  ['stanzas after the close', 'authenticated', 'closed', CLOSE, message(), message()],
  ['something unheard of after authentication', 'authenticated', 'open', '<foo xmlns="urn:x"/>'],
]

// Odd, and accepted: one stanza arrives.
const accepted: readonly (readonly [title: string, inside: string])[] = [
  ['a default namespace that changes', message('<a xmlns="urn:x"><b xmlns="jabber:client"/></a>')],
  ['the prefix stream bound elsewhere', message('<stream:a xmlns:stream="urn:x"/>')],
  ['CDATA', message('<body><![CDATA[<not/> & markup]]></body>')],
  ['U+0085 and U+2028', message('<body>a\u0085b\u2028c</body>')],
  ['64 levels', message(nested(63))],
  ['128 attributes', message(attributes(128))],
  ['an XML declaration', `<?xml version="1.0" encoding="UTF-8"?>${message()}`],
  ['the limit', message(`<body>${'x'.repeat(500 * 1024)}</body>`)],
]

let stage: Scene
beforeAll(async () => {
  stage = await scene()
})
afterAll(() => stage.close())

describe.each(Object.entries(refused))('%s', (depth, rows) => {
  it.each(rows)('%s', async (...row) => {
    const [, condition, ...said] = row
    const accountBefore = stage.verona.montague.federation.account()
    const mallory = await stage.dial()
    await mallory.reach(depth as Depth)
    mallory.say(...said)
    const { messages, ended } = await mallory.rest()
    expect(conditionOf(messages)).toBe(condition)
    // WS-42, WS-43: open where it was missing, one error, close, and nothing else.
    const before = depth === 'upgraded' ? [/^<open /] : []
    const spoken = messages.filter(text => !/^<failure /.test(text))
    expect(spoken.map(text => /^<[a-z:]+ ?/.exec(text)?.[0].trim())).toEqual([
      ...before.map(() => '<open'),
      '<stream:error',
      '<close',
    ])
    // WS-48, WS-49
    if (messages.some(text => text.includes('<stanza-too-big'))) expect(ended?.detail).toContain('1009')
    else expect(ended).toBeNull()
    await stage.canary()
    expect(stage.strangers()).toEqual([])
    expect(stage.verona.montague.federation.account().accepted).toBe(accountBefore.accepted + 1)
    await stage.backToBaseline()
  })
})

describe('without an error', () => {
  it.each(quiet)('%s', async (...row) => {
    const [, depth, wanted, ...said] = row as unknown as Quiet
    const mallory = await stage.dial()
    await mallory.reach(depth)
    mallory.say(...said)
    if (wanted === 'open') {
      // It still answers to its close.
      mallory.say(CLOSE)
    }
    const { messages, ended } = await mallory.rest()
    expect(conditionOf(messages)).toBeNull()
    expect(messages.at(-1)).toMatch(/^<close /)
    expect(ended).toBeNull()
    await stage.canary()
    expect(stage.strangers()).toEqual([])
    await stage.backToBaseline()
  })
})

describe('odd, and right', () => {
  it.each(accepted)('%s', async (_, stanza) => {
    const host = stage.verona.montague.host
    const mallory = await stage.dial()
    await mallory.reach('authenticated')
    mallory.say(stanza.replace(/ to='/, ` id='odd' to='`))
    const arrived = await host.receives(({ from }) => from.domain === MALLORY)
    expect(arrived.id).toBe('odd')
    host.received.length = 0
    mallory.say(CLOSE)
    const { ended } = await mallory.rest()
    expect(ended).toBeNull()
    await stage.backToBaseline()
  })
})

describe('without proof', () => {
  it.each([
    ['no certificate', null, open()],
    [
      'another domain than the certificate’s',
      undefined,
      open(`from='capulet.example' to='montague.example'`),
    ],
  ] as const)('%s', async (_, certificate, opening) => {
    const mallory = await stage.dial(certificate)
    mallory.say(opening, auth(), message())
    const { messages } = await mallory.rest()
    expect(messages.join('')).not.toContain('EXTERNAL')
    expect(messages.join('')).not.toContain('<success')
    expect(messages.join('')).toContain('<failure')
    expect(conditionOf(messages)).toBe('not-authorized')
    await stage.canary()
    expect(stage.strangers()).toEqual([])
    await stage.backToBaseline()
  })
})

it('costs no memory that stays', async () => {
  const gc = globalThis.gc
  if (gc === undefined) throw new Error('this suite needs --expose-gc')
  const round = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const mallory = await stage.dial()
      await mallory.reach('authenticated')
      mallory.say(message(`<body>${'x'.repeat(100_000)}`))
      await mallory.rest()
    }
    stage.verona.montague.events.length = 0
    stage.verona.capulet.events.length = 0
    await stage.backToBaseline()
    gc()
    await new Promise(resolve => setImmediate(resolve))
    gc()
    return process.memoryUsage().heapUsed
  }
  await round(50)
  const before = await round(20)
  const after = await round(150)
  // 150 such peers said 15 MB; what stays of them is noise.
  expect(after - before).toBeLessThan(3 * 1024 * 1024)
})

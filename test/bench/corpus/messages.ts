import { bare, full, room } from './addresses.ts'
import { encrypted } from './encrypted.ts'
import { events } from './pubsub.ts'
import { NICKS, TEXTS } from './texts.ts'
import { escaped, type Pen, stanza, tag, times } from './write.ts'

const body = (text: string, lang?: string) => tag('body', { 'xml:lang': lang }, escaped(text))
const active = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
const origin = (id: string) => tag('origin-id', { xmlns: 'urn:xmpp:sid:0', id })
const request = "<request xmlns='urn:xmpp:receipts'/>"
const markable = "<markable xmlns='urn:xmpp:chat-markers:0'/>"

export function messages(pen: Pen): string[] {
  return [
    ...chats(pen),
    ...chatStates(pen),
    ...receipts(pen),
    ...groupchats(pen),
    ...rich(pen),
    ...encrypted(pen),
    ...events(pen),
    ...archive(pen),
    ...references(pen),
    ...errors(pen),
    ...invitations(pen),
  ]
}

/** Every text once, with what clients of different kinds add to it. */
function chats(pen: Pen): string[] {
  const { dice } = pen
  return TEXTS.map(([lang, text], index) => {
    const id = index % 3 === 0 ? dice.uuid() : dice.hex(8)
    const head = { from: full(pen), to: index % 4 === 0 ? bare(pen, 'to') : full(pen, 'to'), id }
    switch (index % 5) {
      case 0:
        return stanza('message', { ...head, type: 'chat' }, body(text), active, request, origin(id))
      case 1:
        return stanza(
          'message',
          { 'xml:lang': lang, ...head, type: 'chat' },
          body(text),
          tag('thread', {}, dice.uuid()),
        )
      case 2:
        return stanza('message', { ...head, type: 'chat' }, body(text), request, markable, origin(id))
      case 3:
        return stanza('message', head, tag('subject', {}, escaped(text.slice(0, 20))), body(text, lang))
      default:
        return stanza(
          'message',
          { ...head, type: 'chat' },
          body(text),
          tag('stanza-id', { xmlns: 'urn:xmpp:sid:0', by: bare(pen), id: dice.uuid() }),
          active,
        )
    }
  })
}

function chatStates(pen: Pen): string[] {
  const states = ['composing', 'paused', 'active', 'inactive', 'gone']
  return times(20, index =>
    stanza(
      'message',
      {
        from: full(pen),
        to: full(pen, 'to'),
        type: 'chat',
        id: index % 2 === 0 ? pen.dice.hex(6) : undefined,
      },
      tag(states[index % states.length] ?? 'active', { xmlns: 'http://jabber.org/protocol/chatstates' }),
      ...(index % 3 === 0 ? ["<no-store xmlns='urn:xmpp:hints'/>"] : []),
    ),
  )
}

function receipts(pen: Pen): string[] {
  const { dice } = pen
  return times(18, index => {
    const head = {
      from: full(pen),
      to: full(pen, 'to'),
      type: index % 2 === 0 ? 'chat' : undefined,
      id: dice.uuid(),
    }
    const id = dice.uuid()
    if (index % 3 === 0) return stanza('message', head, tag('received', { xmlns: 'urn:xmpp:receipts', id }))
    const marker = index % 3 === 1 ? 'displayed' : 'received'
    return stanza(
      'message',
      head,
      tag(marker, { xmlns: 'urn:xmpp:chat-markers:0', id }),
      "<store xmlns='urn:xmpp:hints'/>",
    )
  })
}

function groupchats(pen: Pen): string[] {
  const { dice } = pen
  return times(24, index => {
    const [lang, text] = dice.pick(TEXTS)
    const id = dice.uuid()
    const from = room(pen)
    const attributes = { from: `${from}/${dice.pick(NICKS)}`, to: full(pen, 'to'), type: 'groupchat', id }
    const stamp = tag('stanza-id', { xmlns: 'urn:xmpp:sid:0', by: from, id: dice.hex(16) })
    const occupant = tag('occupant-id', { xmlns: 'urn:xmpp:occupant-id:0', id: dice.base64(32) })
    if (index % 6 === 0) {
      const delay = tag('delay', { xmlns: 'urn:xmpp:delay', from, stamp: dice.time() })
      return stanza('message', { 'xml:lang': lang, ...attributes }, body(text), delay, stamp, occupant)
    }
    if (index % 11 === 0) return stanza('message', { ...attributes, from }, tag('subject', {}, escaped(text)))
    return stanza('message', attributes, body(text), origin(id), stamp, occupant)
  })
}

/** Formatted text, links, files, reactions, corrections. */
function rich(pen: Pen): string[] {
  const { dice } = pen
  const [, text] = dice.pick(TEXTS)
  const html = times(6, index =>
    stanza(
      'message',
      { from: full(pen), to: full(pen, 'to'), type: 'chat', id: dice.hex(8) },
      body(`${text} (${index})`),
      tag(
        'html',
        { xmlns: 'http://jabber.org/protocol/xhtml-im' },
        `<body xmlns="http://www.w3.org/1999/xhtml"><p style="color: #${dice.hex(6)}; font-weight: bold">` +
          `${escaped(text)}</p><p>see <a href="https://${pen.from}/wiki?page=${index}&amp;raw=1">the page</a>` +
          `<br/><em>or</em> <img src="https://${pen.from}/a.png" alt="a &lt;plan&gt;" width="20"/></p></body>`,
      ),
    ),
  )
  const files = times(6, index => {
    const url = `https://upload.${pen.from}/${dice.base64(18).replace(/[+/=]/g, '_')}/foto-${index}.jpg`
    return stanza(
      'message',
      { from: full(pen), to: bare(pen, 'to'), type: 'chat', id: dice.uuid() },
      body(url),
      tag('x', { xmlns: 'jabber:x:oob' }, tag('url', {}, url)),
      tag(
        'reference',
        { xmlns: 'urn:xmpp:reference:0', type: 'data', begin: 0, end: url.length },
        tag(
          'media-sharing',
          { xmlns: 'urn:xmpp:sims:1' },
          tag(
            'file',
            { xmlns: 'urn:xmpp:jingle:apps:file-transfer:5' },
            tag('media-type', {}, 'image/jpeg'),
            tag('name', {}, `foto-${index}.jpg`),
            tag('size', {}, String(dice.roll(4_000_000))),
            tag('hash', { xmlns: 'urn:xmpp:hashes:2', algo: 'sha-256' }, dice.base64(32)),
          ),
          tag('sources', {}, tag('reference', { xmlns: 'urn:xmpp:reference:0', type: 'data', uri: url })),
        ),
      ),
      request,
    )
  })
  const small = times(9, index => {
    const head = { from: full(pen), to: bare(pen, 'to'), type: 'chat', id: dice.uuid() }
    const id = dice.uuid()
    if (index % 3 === 0) {
      const reaction = tag('reaction', {}, dice.pick(['👍', '❤️', '🎉', '😮']))
      return stanza('message', head, tag('reactions', { xmlns: 'urn:xmpp:reactions:0', id }, reaction))
    }
    const [, words] = dice.pick(TEXTS)
    if (index % 3 === 1)
      return stanza('message', head, body(words), tag('replace', { xmlns: 'urn:xmpp:message-correct:0', id }))
    return stanza(
      'message',
      head,
      body(words),
      tag('reply', { xmlns: 'urn:xmpp:reply:0', to: bare(pen), id }),
    )
  })
  return [...html, ...files, ...small]
}

/** Moderation and retraction, which refer to other messages. */
function references(pen: Pen): string[] {
  const { dice } = pen
  return times(4, () => {
    const from = room(pen)
    return stanza(
      'message',
      { from, to: full(pen, 'to'), type: 'groupchat', id: dice.uuid() },
      tag(
        'retract',
        { xmlns: 'urn:xmpp:message-retract:1', id: dice.hex(16) },
        tag('moderated', { xmlns: 'urn:xmpp:message-moderate:1', by: `${from}/${dice.pick(NICKS)}` }),
        tag('reason', {}, escaped('Not "here" & not now')),
      ),
      "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>",
      body('/me retracted a previous message, but it’s unsupported by your client.'),
    )
  })
}

/** XEP-0313: a room's archive, asked for from the other domain. The forwarded stanza is of jabber:client. */
function archive(pen: Pen): string[] {
  const { dice } = pen
  const queryid = dice.hex(10)
  return times(14, () => {
    const from = room(pen)
    const [, text] = dice.pick(TEXTS)
    const sender = `${from}/${dice.pick(NICKS)}`
    return stanza(
      'message',
      { from, to: full(pen, 'to') },
      tag(
        'result',
        { xmlns: 'urn:xmpp:mam:2', queryid, id: dice.hex(16) },
        tag(
          'forwarded',
          { xmlns: 'urn:xmpp:forward:0' },
          tag('delay', { xmlns: 'urn:xmpp:delay', stamp: dice.time() }),
          tag(
            'message',
            { xmlns: 'jabber:client', from: sender, type: 'groupchat', id: dice.uuid() },
            body(text),
            tag('occupant-id', { xmlns: 'urn:xmpp:occupant-id:0', id: dice.base64(32) }),
          ),
        ),
      ),
    )
  })
}

function errors(pen: Pen): string[] {
  const { dice } = pen
  const conditions = [
    ['cancel', 'service-unavailable'],
    ['wait', 'remote-server-timeout'],
    ['cancel', 'item-not-found'],
    ['auth', 'forbidden'],
  ] as const
  return times(6, index => {
    const [type, condition] = conditions[index % conditions.length] ?? conditions[0]
    const text = tag(
      'text',
      { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas', 'xml:lang': 'en' },
      'User session terminated',
    )
    return stanza(
      'message',
      { from: full(pen), to: full(pen, 'to'), type: 'error', id: dice.uuid() },
      tag(
        'error',
        { type, by: index % 2 === 0 ? pen.from : undefined },
        tag(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }),
        ...(index % 2 === 0 ? [text] : []),
      ),
    )
  })
}

/** Invitations, data forms, and the writing habits of other software: double quotes, CDATA, references, white space. */
function invitations(pen: Pen): string[] {
  const { dice } = pen
  const invites = times(2, () =>
    stanza(
      'message',
      { from: full(pen), to: bare(pen, 'to'), id: dice.hex(8) },
      tag('x', {
        xmlns: 'jabber:x:conference',
        jid: room(pen),
        reason: 'Hey, this is the place for "all" of us',
        continue: 'true',
      }),
    ),
  )
  const { from, to } = pen
  return [
    ...invites,
    `<message to="romeo@${to}/orchard" from="juliet@${from}/balcony" id="m&#49;" type="chat" xmlns="jabber:server">\n  <body>Wherefore\n  art thou &#x263A; &amp; where?</body>\n  <nick xmlns="http://jabber.org/protocol/nick">Juliet</nick>\n</message>`,
    `<message xmlns="jabber:server" from="tybalt@${from}/web" to="benvolio@${to}" id="c1" type="chat"><body><![CDATA[if (a < b && c > d) { return "sword" }]]></body></message>`,
    `<message xmlns='jabber:server' xmlns:e='urn:example:extension:1' from='peter@${from}/x' to='page@${to}/y' id='p1' type='chat'><body>with prefixes</body><e:note e:weight='2'><e:line n='1'>one</e:line><e:line n='2'>two</e:line></e:note></message>`,
    `<message xmlns='jabber:server' from='nurse@${from}/k' to='romeo@${to}' id='d1'><x xmlns='jabber:x:data' type='form'><title>Which evening?</title><instructions>Choose one, then say how many will come.</instructions><field type='list-single' var='evening' label='Evening'><required/><option label='Thursday'><value>thu</value></option><option label='Friday'><value>fri</value></option><option label='Sunday, late'><value>sun</value></option><value>fri</value></field><field type='text-single' var='guests' label='How many'><value>12</value></field></x></message>`,
  ]
}

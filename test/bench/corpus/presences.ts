import { bare, full, room } from './addresses.ts'
import { NICKS, TEXTS } from './texts.ts'
import { escaped, type Pen, stanza, tag, times } from './write.ts'

export function presences(pen: Pen): string[] {
  return [...available(pen), ...subscriptions(pen), ...occupants(pen), ...participants(pen)]
}

const CLIENTS: readonly (readonly [string, string])[] = [
  ['https://conversations.im', 'Y3qfL4PhTmd1V5jWqEuSA5G3bbk='],
  ['https://dino.im', 'zuF2A3qjEHgy8oYV4ge4tMqjnQI='],
  ['https://gajim.org', 'yiUbkqbiCcmHF0dBA2LNnJd0Lm0='],
  ['http://psi-im.org', '2Kf8dGHDxZ3V0cVBFUHO5i4BdqQ='],
]

function caps(pen: Pen): string {
  const [node, ver] = pen.dice.pick(CLIENTS)
  return tag('c', { xmlns: 'http://jabber.org/protocol/caps', hash: 'sha-1', node, ver })
}

function avatar(pen: Pen): string {
  return tag('x', { xmlns: 'vcard-temp:x:update' }, tag('photo', {}, pen.dice.hex(40)))
}

function available(pen: Pen): string[] {
  const { dice } = pen
  const shows = ['away', 'xa', 'dnd', 'chat']
  return times(28, index => {
    const head = { from: full(pen), to: bare(pen, 'to'), id: index % 2 === 0 ? dice.hex(8) : undefined }
    if (index % 7 === 6)
      return stanza('presence', { ...head, type: 'unavailable' }, tag('status', {}, 'Disconnected: closed'))
    const [lang, text] = dice.pick(TEXTS)
    return stanza(
      'presence',
      { 'xml:lang': index % 3 === 0 ? lang : undefined, ...head },
      ...(index % 2 === 0 ? [tag('show', {}, shows[index % shows.length] ?? 'away')] : []),
      ...(index % 3 === 0 ? [tag('status', {}, escaped(text))] : []),
      tag('priority', {}, String(dice.roll(10))),
      caps(pen),
      ...(index % 4 === 0 ? [tag('idle', { xmlns: 'urn:xmpp:idle:1', since: dice.time() })] : []),
      ...(index % 2 === 0 ? [avatar(pen)] : []),
    )
  })
}

function subscriptions(pen: Pen): string[] {
  const types = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe']
  return times(8, index =>
    stanza(
      'presence',
      { from: bare(pen), to: bare(pen, 'to'), type: types[index % types.length], id: pen.dice.hex(8) },
      ...(index % 5 === 0
        ? [tag('nick', { xmlns: 'http://jabber.org/protocol/nick' }, escaped(pen.dice.pick(NICKS)))]
        : []),
    ),
  )
}

/** Who is in a chat room: the commonest stanza between servers. */
function occupants(pen: Pen): string[] {
  const { dice } = pen
  const affiliations = ['member', 'none', 'owner', 'admin']
  return times(34, index => {
    const leaves = index % 5 === 4
    const item = tag('item', {
      affiliation: affiliations[index % affiliations.length],
      role: leaves ? 'none' : index % 4 === 2 ? 'moderator' : 'participant',
      jid: index % 2 === 0 ? full(pen) : undefined,
    })
    const statuses = index % 9 === 0 ? ['100', '110', '170'] : index % 5 === 3 ? ['110'] : []
    return stanza(
      'presence',
      {
        from: `${room(pen)}/${dice.pick(NICKS)}`,
        to: full(pen, 'to'),
        type: leaves ? 'unavailable' : undefined,
        id: index % 3 === 0 ? dice.uuid() : undefined,
      },
      ...(leaves ? [] : [caps(pen), avatar(pen)]),
      ...(index % 4 === 1 ? [tag('show', {}, 'away')] : []),
      tag('occupant-id', { xmlns: 'urn:xmpp:occupant-id:0', id: dice.base64(32) }),
      tag(
        'x',
        { xmlns: 'http://jabber.org/protocol/muc#user' },
        item,
        ...statuses.map(code => tag('status', { code })),
      ),
    )
  })
}

/** MIX (XEP-0403). */
function participants(pen: Pen): string[] {
  const { dice } = pen
  return times(8, () =>
    stanza(
      'presence',
      { from: `${dice.hex(6)}#${room(pen)}/${dice.hex(8)}`, to: bare(pen, 'to'), id: dice.uuid() },
      tag('show', {}, dice.pick(['dnd', 'away'])),
      tag(
        'mix',
        { xmlns: 'urn:xmpp:mix:presence:0' },
        tag('jid', {}, full(pen)),
        tag('nick', {}, escaped(dice.pick(NICKS))),
      ),
      caps(pen),
    ),
  )
}

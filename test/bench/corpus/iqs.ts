import { bare, head, room } from './addresses.ts'
import { calls } from './calls.ts'
import { items } from './pubsub.ts'
import { NICKS, PEOPLE, TEXTS } from './texts.ts'
import { escaped, type Pen, stanza, tag, times } from './write.ts'

export function iqs(pen: Pen): string[] {
  return [
    ...pings(pen),
    ...discovery(pen),
    ...software(pen),
    ...cards(pen),
    ...items(pen),
    ...calls(pen),
    ...rooms(pen),
    ...rosters(pen),
    ...refusals(pen),
  ]
}

function pings(pen: Pen): string[] {
  return times(12, index =>
    index % 2 === 0
      ? stanza('iq', { ...head(pen, 'get'), from: pen.from, to: pen.to }, "<ping xmlns='urn:xmpp:ping'/>")
      : stanza('iq', head(pen, 'result')),
  )
}

const FEATURES: readonly string[] = [
  'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/chatstates',
  'http://jabber.org/protocol/disco#info',
  'http://jabber.org/protocol/disco#items',
  'http://jabber.org/protocol/ibb',
  'http://jabber.org/protocol/mood+notify',
  'http://jabber.org/protocol/muc',
  'http://jabber.org/protocol/nick+notify',
  'http://jabber.org/protocol/pubsub#publish-options',
  'http://jabber.org/protocol/xhtml-im',
  'jabber:iq:last',
  'jabber:iq:version',
  'jabber:x:conference',
  'jabber:x:oob',
  'urn:xmpp:avatar:metadata+notify',
  'urn:xmpp:blocking',
  'urn:xmpp:bob',
  'urn:xmpp:carbons:2',
  'urn:xmpp:chat-markers:0',
  'urn:xmpp:eme:0',
  'urn:xmpp:http:upload:0',
  'urn:xmpp:jingle:1',
  'urn:xmpp:jingle:apps:file-transfer:5',
  'urn:xmpp:jingle:apps:rtp:audio',
  'urn:xmpp:jingle:apps:rtp:video',
  'urn:xmpp:jingle:transports:ice-udp:1',
  'urn:xmpp:mam:2',
  'urn:xmpp:message-correct:0',
  'urn:xmpp:ping',
  'urn:xmpp:receipts',
  'urn:xmpp:sid:0',
  'urn:xmpp:time',
]

function discovery(pen: Pen): string[] {
  const { dice } = pen
  const info = 'http://jabber.org/protocol/disco#info'
  const node = (index: number) => (index % 2 === 0 ? `https://dino.im#${dice.base64(20)}` : undefined)
  return [
    ...times(5, index => stanza('iq', head(pen, 'get'), tag('query', { xmlns: info, node: node(index) }))),
    ...times(6, index =>
      stanza(
        'iq',
        head(pen, 'result'),
        tag(
          'query',
          { xmlns: info, node: node(index) },
          tag('identity', {
            category: 'client',
            type: index % 2 === 0 ? 'phone' : 'pc',
            name: 'Lute & Lyre',
          }),
          ...FEATURES.slice(0, 12 + index * 4).map(name => tag('feature', { var: name })),
          ...(index === 5 ? [serverInfo(pen)] : []),
        ),
      ),
    ),
    ...times(3, () =>
      stanza(
        'iq',
        { ...head(pen, 'result'), from: pen.from },
        tag(
          'query',
          { xmlns: 'http://jabber.org/protocol/disco#items' },
          ...times(7, index => tag('item', { jid: room(pen), name: `${dice.pick(NICKS)} (${index})` })),
        ),
      ),
    ),
  ]
}

function serverInfo(pen: Pen): string {
  const field = (name: string, type: string | undefined, ...values: readonly string[]) =>
    tag('field', { var: name, type }, ...values.map(value => tag('value', {}, value)))
  return tag(
    'x',
    { xmlns: 'jabber:x:data', type: 'result' },
    field('FORM_TYPE', 'hidden', 'http://jabber.org/network/serverinfo'),
    field('abuse-addresses', 'list-multi', `mailto:abuse@${pen.from}`, `xmpp:lady@${pen.from}`),
    field('admin-addresses', 'list-multi', `mailto:admin@${pen.from}`),
  )
}

function software(pen: Pen): string[] {
  const { dice } = pen
  return [
    ...times(2, () => stanza('iq', head(pen, 'get'), "<query xmlns='jabber:iq:version'/>")),
    ...times(3, () =>
      stanza(
        'iq',
        head(pen, 'result'),
        tag(
          'query',
          { xmlns: 'jabber:iq:version' },
          tag('name', {}, dice.pick(['Lute', 'Balcony', '笛'])),
          tag('version', {}, `${dice.roll(5)}.${dice.roll(20)}.${dice.roll(9)}`),
          tag('os', {}, 'Debian GNU/Linux 12 (bookworm)'),
        ),
      ),
    ),
    ...times(2, () =>
      stanza(
        'iq',
        head(pen, 'result'),
        tag('time', { xmlns: 'urn:xmpp:time' }, tag('tzo', {}, '+01:00'), tag('utc', {}, dice.time())),
      ),
    ),
    ...times(2, () =>
      stanza(
        'iq',
        head(pen, 'result'),
        tag('query', { xmlns: 'jabber:iq:last', seconds: dice.roll(90_000) }),
      ),
    ),
  ]
}

/** vCards, two with a photograph in lines of 76 characters as old clients send it. */
function cards(pen: Pen): string[] {
  const { dice } = pen
  return times(5, index => {
    const photo = dice.base64(index === 0 ? 9_000 : 3_500).replace(/.{76}/g, '$&\n')
    return stanza(
      'iq',
      { ...head(pen, 'result'), from: bare(pen) },
      tag(
        'vCard',
        { xmlns: 'vcard-temp' },
        tag('FN', {}, escaped(dice.pick(NICKS))),
        tag('N', {}, tag('FAMILY', {}, 'Capulet'), tag('GIVEN', {}, 'Julia'), tag('MIDDLE')),
        tag('EMAIL', {}, tag('INTERNET'), tag('PREF'), tag('USERID', {}, bare(pen))),
        tag('BDAY', {}, '1583-08-01'),
        tag('DESC', {}, escaped(dice.pick(TEXTS)[1])),
        ...(index < 2 ? [tag('PHOTO', {}, tag('TYPE', {}, 'image/jpeg'), tag('BINVAL', {}, photo))] : []),
      ),
    )
  })
}

/** What the members of a room ask it for and are told: lists, configuration, archive pages. */
function rooms(pen: Pen): string[] {
  const { dice } = pen
  const admin = 'http://jabber.org/protocol/muc#admin'
  const field = (name: string, value: string) => tag('field', { var: name }, tag('value', {}, value))
  return [
    ...times(3, () =>
      stanza(
        'iq',
        { ...head(pen, 'result'), from: room(pen) },
        tag(
          'query',
          { xmlns: admin },
          ...PEOPLE.slice(0, 8).map(name =>
            tag('item', { affiliation: 'member', jid: `${name}@${pen.from}` }),
          ),
        ),
      ),
    ),
    ...times(3, () =>
      stanza(
        'iq',
        { ...head(pen, 'result'), from: room(pen) },
        tag(
          'fin',
          { xmlns: 'urn:xmpp:mam:2', complete: 'true' },
          tag(
            'set',
            { xmlns: 'http://jabber.org/protocol/rsm' },
            tag('first', { index: 0 }, dice.hex(16)),
            tag('last', {}, dice.hex(16)),
            tag('count', {}, String(dice.roll(900))),
          ),
        ),
      ),
    ),
    ...times(3, () =>
      stanza(
        'iq',
        head(pen, 'set'),
        tag(
          'query',
          { xmlns: 'urn:xmpp:mam:2', queryid: dice.hex(10) },
          tag(
            'x',
            { xmlns: 'jabber:x:data', type: 'submit' },
            field('FORM_TYPE', 'urn:xmpp:mam:2'),
            field('start', dice.time()),
          ),
          tag('set', { xmlns: 'http://jabber.org/protocol/rsm' }, tag('max', {}, '50'), tag('before')),
        ),
      ),
    ),
  ]
}

/** XEP-0144 and jabber:iq:private: lists of contacts and bookmarks that move between accounts. */
function rosters(pen: Pen): string[] {
  const { dice } = pen
  return times(4, index =>
    stanza(
      'iq',
      head(pen, 'set'),
      tag(
        'x',
        { xmlns: 'http://jabber.org/protocol/rosterx' },
        ...times(4 + index * 3, () =>
          tag(
            'item',
            { action: 'add', jid: bare(pen), name: dice.pick(NICKS) },
            tag('group', {}, dice.pick(['Visitors', 'Семья', '友達'])),
          ),
        ),
      ),
    ),
  )
}

function refusals(pen: Pen): string[] {
  const { dice } = pen
  const conditions = ['service-unavailable', 'feature-not-implemented', 'item-not-found', 'not-allowed']
  return times(8, index =>
    stanza(
      'iq',
      head(pen, 'error'),
      ...(index % 2 === 0 ? [tag('query', { xmlns: 'jabber:iq:last' })] : []),
      tag(
        'error',
        { type: index % 3 === 0 ? 'auth' : 'cancel' },
        tag(dice.pick(conditions), { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }),
      ),
    ),
  )
}

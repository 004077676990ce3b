import { bare, full, head } from './addresses.ts'
import { NICKS, TEXTS } from './texts.ts'
import { escaped, type Pen, stanza, tag, times } from './write.ts'

/** PEP notifications. */
export function events(pen: Pen): string[] {
  const { dice } = pen
  const event = (node: string, payload: string, id = 'current') =>
    stanza(
      'message',
      { from: bare(pen), to: full(pen, 'to'), type: 'headline', id: dice.uuid() },
      tag(
        'event',
        { xmlns: 'http://jabber.org/protocol/pubsub#event' },
        tag('items', { node }, tag('item', { id }, payload)),
      ),
      tag(
        'addresses',
        { xmlns: 'http://jabber.org/protocol/address' },
        tag('address', { type: 'replyto', jid: full(pen) }),
      ),
    )
  const tunes = times(5, index =>
    event(
      'http://jabber.org/protocol/tune',
      tag(
        'tune',
        { xmlns: 'http://jabber.org/protocol/tune' },
        tag('artist', {}, escaped(dice.pick(NICKS))),
        tag('length', {}, String(120 + dice.roll(300))),
        tag('title', {}, escaped(dice.pick(TEXTS)[1].slice(0, 24))),
        tag('track', {}, String(index + 1)),
      ),
    ),
  )
  const avatars = times(3, () => {
    const id = dice.hex(40)
    const info = tag('info', {
      bytes: 4_000 + dice.roll(9_000),
      id,
      height: 96,
      width: 96,
      type: 'image/png',
    })
    return event('urn:xmpp:avatar:metadata', tag('metadata', { xmlns: 'urn:xmpp:avatar:metadata' }, info), id)
  })
  const devices = times(3, () =>
    event(
      'eu.siacs.conversations.axolotl.devicelist',
      tag(
        'list',
        { xmlns: 'eu.siacs.conversations.axolotl' },
        ...times(5, () => tag('device', { id: dice.roll(2 ** 31) })),
      ),
    ),
  )
  const nicks = times(2, () =>
    event(
      'http://jabber.org/protocol/nick',
      tag('nick', { xmlns: 'http://jabber.org/protocol/nick' }, escaped(dice.pick(NICKS))),
    ),
  )
  const posts = times(3, () => {
    const [lang, text] = dice.pick(TEXTS)
    const entry = tag(
      'entry',
      { xmlns: 'http://www.w3.org/2005/Atom', 'xml:lang': lang },
      tag('title', { type: 'text' }, escaped(text)),
      tag('author', {}, tag('name', {}, escaped(dice.pick(NICKS))), tag('uri', {}, `xmpp:${bare(pen)}`)),
      tag('id', {}, `tag:${pen.from},2026:posts-${dice.hex(6)}`),
      tag('link', { rel: 'alternate', type: 'text/html', href: `https://${pen.from}/p/${dice.hex(6)}` }),
      tag('published', {}, dice.time()),
      tag('updated', {}, dice.time()),
    )
    return event('urn:xmpp:microblog:0', entry, dice.hex(12))
  })
  return [...tunes, ...avatars, ...devices, ...nicks, ...posts]
}

/** PubSub requests and results: an avatar, an OMEMO bundle, bookmarks. */
export function items(pen: Pen): string[] {
  const { dice } = pen
  const pubsub = (node: string, ...payload: readonly string[]) =>
    tag('pubsub', { xmlns: 'http://jabber.org/protocol/pubsub' }, tag('items', { node }, ...payload))
  const bundle = tag(
    'bundle',
    { xmlns: 'eu.siacs.conversations.axolotl' },
    tag('signedPreKeyPublic', { signedPreKeyId: 1 }, dice.base64(33)),
    tag('signedPreKeySignature', {}, dice.base64(64)),
    tag('identityKey', {}, dice.base64(33)),
    tag('prekeys', {}, ...times(60, index => tag('preKeyPublic', { preKeyId: index + 1 }, dice.base64(33)))),
  )
  const avatar = tag('data', { xmlns: 'urn:xmpp:avatar:data' }, dice.base64(5_500))
  return [
    ...times(4, () =>
      stanza(
        'iq',
        { ...head(pen, 'get'), to: bare(pen, 'to') },
        pubsub(`eu.siacs.conversations.axolotl.bundles:${dice.roll(2 ** 31)}`),
      ),
    ),
    stanza(
      'iq',
      { ...head(pen, 'result'), from: bare(pen) },
      pubsub('eu.siacs.conversations.axolotl.bundles:31415', tag('item', { id: 'current' }, bundle)),
    ),
    stanza(
      'iq',
      { ...head(pen, 'result'), from: bare(pen) },
      pubsub('urn:xmpp:avatar:data', tag('item', { id: dice.hex(40) }, avatar)),
    ),
    ...times(3, () =>
      stanza(
        'iq',
        { ...head(pen, 'result'), from: bare(pen) },
        tag(
          'pubsub',
          { xmlns: 'http://jabber.org/protocol/pubsub' },
          tag('publish', { node: 'news' }, tag('item', { id: dice.uuid() })),
        ),
      ),
    ),
  ]
}

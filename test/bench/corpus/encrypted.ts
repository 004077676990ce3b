import { bare, full } from './addresses.ts'
import { type Pen, stanza, tag, times } from './write.ts'

/** OMEMO: a header with a key for each device, then a payload. */
export function encrypted(pen: Pen): string[] {
  const { dice } = pen
  const old = times(7, index =>
    stanza(
      'message',
      { from: full(pen), to: bare(pen, 'to'), type: 'chat', id: dice.uuid() },
      tag(
        'encrypted',
        { xmlns: 'eu.siacs.conversations.axolotl' },
        tag(
          'header',
          { sid: dice.roll(2 ** 31) },
          ...times(2 + index * 2, device =>
            tag(
              'key',
              { rid: dice.roll(2 ** 31), prekey: device % 4 === 0 ? 'true' : undefined },
              dice.base64(device % 4 === 0 ? 178 : 50),
            ),
          ),
          tag('iv', {}, dice.base64(12)),
        ),
        ...(index % 3 === 2 ? [] : [tag('payload', {}, dice.base64(40 + dice.roll(200)))]),
      ),
      "<store xmlns='urn:xmpp:hints'/>",
      tag('encryption', {
        xmlns: 'urn:xmpp:eme:0',
        name: 'OMEMO',
        namespace: 'eu.siacs.conversations.axolotl',
      }),
      tag('body', {}, 'I sent you an OMEMO encrypted message but your client doesn’t seem to support that.'),
    ),
  )
  const current = times(3, () =>
    stanza(
      'message',
      { from: full(pen), to: bare(pen, 'to'), type: 'chat', id: dice.uuid() },
      tag(
        'encrypted',
        { xmlns: 'urn:xmpp:omemo:2' },
        tag(
          'header',
          { sid: dice.roll(2 ** 31) },
          ...[bare(pen, 'to'), bare(pen)].map(jid =>
            tag('keys', { jid }, ...times(2, () => tag('key', { rid: dice.roll(2 ** 31) }, dice.base64(60)))),
          ),
        ),
        tag('payload', {}, dice.base64(300)),
      ),
    ),
  )
  return [...old, ...current]
}

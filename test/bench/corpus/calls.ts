import { head } from './addresses.ts'
import { type Pen, stanza, tag, times } from './write.ts'

/** Jingle: an offer, candidates as they are found, an end. */
export function calls(pen: Pen): string[] {
  const { dice } = pen
  const candidate = (index: number) =>
    tag('candidate', {
      component: 1,
      foundation: dice.roll(2 ** 31),
      generation: 0,
      id: dice.hex(8),
      ip: index % 2 === 0 ? `192.0.2.${1 + dice.roll(250)}` : `2001:db8::${dice.hex(4)}`,
      network: index % 3,
      port: 1_024 + dice.roll(60_000),
      priority: dice.roll(2 ** 31),
      protocol: 'udp',
      type: dice.pick(['host', 'srflx', 'relay']),
    })
  const transport = (...children: readonly string[]) =>
    tag(
      'transport',
      { xmlns: 'urn:xmpp:jingle:transports:ice-udp:1', ufrag: dice.hex(4), pwd: dice.hex(22) },
      ...children,
    )
  const codecs = ['opus', 'PCMA', 'G722', 'telephone-event'].map((name, index) =>
    tag(
      'payload-type',
      { id: 96 + index, name, clockrate: 48_000, channels: index === 0 ? 2 : undefined },
      tag('parameter', { name: 'minptime', value: 10 }),
      tag('rtcp-fb', { xmlns: 'urn:xmpp:jingle:apps:rtp:rtcp-fb:0', type: 'transport-cc' }),
    ),
  )
  const fingerprint = tag(
    'fingerprint',
    { xmlns: 'urn:xmpp:jingle:apps:dtls:0', hash: 'sha-256', setup: 'actpass' },
    dice
      .hex(64)
      .toUpperCase()
      .replace(/..(?!$)/g, '$&:'),
  )
  const description = tag('description', { xmlns: 'urn:xmpp:jingle:apps:rtp:1', media: 'audio' }, ...codecs)
  const jingle = (action: string, ...children: readonly string[]) =>
    stanza(
      'iq',
      head(pen, 'set'),
      tag('jingle', { xmlns: 'urn:xmpp:jingle:1', action, sid: dice.hex(12) }, ...children),
    )
  const content = (...children: readonly string[]) =>
    tag('content', { creator: 'initiator', name: '0', senders: 'both' }, ...children)
  return [
    jingle('session-initiate', content(description, transport(fingerprint, candidate(0), candidate(1)))),
    jingle('session-accept', content(description, transport(fingerprint))),
    ...times(6, index => jingle('transport-info', content(transport(candidate(index))))),
    jingle('session-terminate', tag('reason', {}, tag('success'))),
  ]
}

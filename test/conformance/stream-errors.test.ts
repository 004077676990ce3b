import { describe, expect, it } from 'vitest'
import type { StreamInput } from '../../src/stream/index.ts'
import { NS, STREAM_CONDITIONS, type StreamCondition } from '../../src/xmpp/index.ts'
import {
  EXTERNAL_OFFERED,
  error,
  establishedInitiating,
  establishedReceiving,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  type Initiating,
  initiating,
  message,
  type Receiving,
  receiving,
  SUCCESS,
  WIRES,
  type Wire,
} from '../kit/streams.ts'
import { treeOf, withoutText } from '../kit/xml-tree.ts'

const JULIET = `from='juliet@capulet.example'`
const ROMEO = `to='romeo@montague.example'`

/** We end it ourselves, for what the peer did: conditions whose reasons lie outside the stream. */
const ends = (condition: StreamCondition): StreamInput => ({
  type: 'end',
  failure: { by: 'peer', kind: 'violation', condition, rule: 'SE-30', detail: 'for a test' },
})

type Trigger = (wire: Wire) => Receiving | Initiating

/** One trigger a row of PROTOCOL B.3. */
const TRIGGERS: Readonly<Record<string, readonly [StreamCondition, Trigger]>> = {
  'SE-01': ['bad-format', wire => receiving(wire).say(message(`${JULIET} ${ROMEO}`))],
  'SE-02': [
    'bad-namespace-prefix',
    wire => establishedReceiving(wire).say(`<s:message xmlns:s='jabber:server' ${JULIET} ${ROMEO}/>`),
  ],
  'SE-03': ['conflict', wire => establishedReceiving(wire).give(ends('conflict'))],
  'SE-04': [
    'connection-timeout',
    wire =>
      establishedInitiating(wire).give({
        type: 'end',
        failure: { by: 'network', kind: 'timeout', detail: 'no answer' },
      }),
  ],
  'SE-05': ['host-gone', wire => establishedReceiving(wire).give(ends('host-gone'))],
  'SE-06': [
    'host-unknown',
    wire => receiving(wire).say(wire.open({ ...FROM_CAPULET, to: 'nosuch.example' })),
  ],
  'SE-07': ['improper-addressing', wire => establishedReceiving(wire).say(message(JULIET))],
  'SE-08': [
    'internal-server-error',
    wire =>
      establishedReceiving(wire).give({
        type: 'end',
        failure: { by: 'us', kind: 'internal', detail: 'a defect' },
      }),
  ],
  'SE-09': [
    'invalid-from',
    wire => receiving(wire).say(wire.open({ ...FROM_CAPULET, from: 'rooms.montague.example' })),
  ],
  'SE-10': [
    'invalid-namespace',
    wire => establishedReceiving(wire).say(`<message xmlns='jabber:client' ${JULIET} ${ROMEO}/>`),
  ],
  'SE-11': [
    'invalid-xml',
    wire =>
      establishedReceiving(wire).say(`<iq xmlns='jabber:server' type='ask' id='1' ${JULIET} ${ROMEO}/>`),
  ],
  'SE-12': ['not-authorized', wire => receiving(wire).say(wire.open(FROM_CAPULET), GOOD_MESSAGE)],
  'SE-13': [
    'not-well-formed',
    wire => establishedReceiving(wire).say(`<message xmlns='jabber:server'></presence>`),
  ],
  'SE-14': [
    'policy-violation',
    wire => receiving(wire, { peerCertificate: false }).say(wire.open(FROM_CAPULET)),
  ],
  'SE-15': [
    'remote-connection-failed',
    wire => establishedReceiving(wire).give(ends('remote-connection-failed')),
  ],
  'SE-16': ['reset', wire => establishedReceiving(wire).give(ends('reset'))],
  'SE-17': [
    'resource-constraint',
    wire =>
      establishedReceiving(wire).give({
        type: 'end',
        failure: { by: 'us', kind: 'overload', detail: 'too many streams' },
      }),
  ],
  'SE-18': ['restricted-xml', wire => establishedReceiving(wire).say('<!-- hello -->')],
  'SE-20': [
    'system-shutdown',
    wire =>
      establishedReceiving(wire)
        .give({ type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } })
        .say(wire.close),
  ],
  'SE-21': ['undefined-condition', wire => establishedReceiving(wire).give(ends('undefined-condition'))],
  'SE-22': [
    'unsupported-encoding',
    wire =>
      receiving(wire).say(
        `<?xml version='1.0' encoding='ISO-8859-1'?>${wire.open(FROM_CAPULET).replace("<?xml version='1.0'?>", '')}`,
      ),
  ],
  'SE-23': [
    'unsupported-feature',
    wire => {
      const open = wire.open(FROM_MONTAGUE)
      const unknown = features(`<oath xmlns='urn:x'><required/></oath>`)
      return initiating(wire).say(open, EXTERNAL_OFFERED, SUCCESS, open, unknown)
    },
  ],
  'SE-24': [
    'unsupported-stanza-type',
    wire => receiving(wire).say(wire.open(FROM_CAPULET), `<foo xmlns='urn:x'/>`),
  ],
  'SE-25': [
    'unsupported-version',
    wire => receiving(wire).say(wire.open({ ...FROM_CAPULET, version: '0.9' })),
  ],
}

describe.each(WIRES)('stream errors over $name', wire => {
  it.each(Object.entries(TRIGGERS))(
    '[SE-30] %s: the condition, exactly, then the close, then the transport',
    (_row, [condition, trigger]) => {
      const side = trigger(wire)
      expect(side.transcript.slice(-3)).toEqual([side.transcript.at(-3), 'error', 'close'])
      const text = side.sent.at(-2) ?? ''
      expect(withoutText(treeOf(text))).toEqual({
        name: `{${NS.stream}}error`,
        attributes: {},
        children: [{ name: `{${NS.streamErrors}}${condition}`, attributes: {}, children: [] }],
      })
      expect(side.sent.at(-1)).toBe(wire.close)
      expect(side.closeCode).toBe(condition === 'system-shutdown' ? 1001 : 1000)
      expect(side.ended).toBeTruthy()
    },
  )

  it('[SE-30] SE-19: see-other-host is never emitted; every other row has its trigger', () => {
    const triggered = Object.values(TRIGGERS).map(([condition]) => condition)
    expect([...triggered, 'see-other-host'].sort()).toEqual([...STREAM_CONDITIONS].sort())
  })

  it('[SE-30] every condition of a peer ends the stream as what it says', () => {
    for (const condition of STREAM_CONDITIONS) {
      for (const side of [establishedReceiving(wire), establishedInitiating(wire)]) {
        side.say(error(condition), wire.close)
        expect(side.ended).toEqual({ by: 'peer', kind: 'reported', condition, detail: '' })
      }
    }
    const read = (text: string) => establishedInitiating(wire).say(text, wire.close).ended
    expect(read(error('xml-not-well-formed'))).toMatchObject({ condition: 'not-well-formed' })
    expect(read(error('foo'))).toMatchObject({ condition: 'undefined-condition' })
    expect(read(`<stream:error xmlns:stream='${NS.stream}'/>`)).toMatchObject({
      condition: 'undefined-condition',
    })
  })

  it('[SE-30] the text of a peer is for people: one line, cut, without a meaning', () => {
    const text = `not\n  so ${'long '.repeat(1_000)}`
    const told = error('reset').replace(
      '</stream:error>',
      `<text xmlns='${NS.streamErrors}'>${text}</text><other xmlns='urn:x'/></stream:error>`,
    )
    const { ended } = establishedInitiating(wire).say(told, wire.close)
    if (ended?.by !== 'peer' || ended.kind !== 'reported') throw new Error('not reported')
    expect(ended.condition).toBe('reset')
    expect(ended.detail).toMatch(/^not so long long /)
    expect(ended.detail.length).toBeLessThanOrEqual(256)
  })

  it('[SE-31] an unknown element is an error before authentication and nothing afterwards', () => {
    const foo = `<foo xmlns='urn:x'><message xmlns='jabber:server' ${JULIET} ${ROMEO}/></foo>`
    expect(receiving(wire).say(wire.open(FROM_CAPULET), foo).errors).toEqual(['unsupported-stanza-type'])
    const side = establishedReceiving(wire)
    const sent = side.sent.length
    side.say(foo, GOOD_MESSAGE)
    expect(side.sent).toHaveLength(sent)
    expect(side.stanzas).toHaveLength(1)
    const peer = establishedInitiating(wire).say(foo)
    expect(peer.isEstablished).toBe(true)
  })

  it('[SE-24] features, headers and SASL where they have no place', () => {
    for (const text of [
      features(''),
      `<stream:foo xmlns:stream='${NS.stream}'/>`,
      `<foo xmlns='${NS.framing}'/>`,
    ]) {
      expect(receiving(wire).say(wire.open(FROM_CAPULET), text).errors).toEqual(['unsupported-stanza-type'])
      expect(establishedReceiving(wire).say(text).errors).toEqual(['unsupported-stanza-type'])
    }
  })

  it('[SE-30] what comes after our error is dropped', () => {
    const side = establishedReceiving(wire).say(message(`from='tybalt@verona.example' ${ROMEO}`))
    const outputs = side.outputs.length
    side.say(GOOD_MESSAGE, GOOD_MESSAGE, wire.close)
    expect(side.outputs).toHaveLength(outputs)
    expect(side.stanzas).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { ackElement, handledTooHigh, requestElement, type StreamInput } from '../../src/stream/index.ts'
import { type Element, serialize } from '../../src/xml/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import { MANAGEMENT, STREAM_ERRORS } from '../kit/examples.ts'
import {
  auth,
  db,
  domain,
  error,
  establishedInitiating,
  establishedReceiving,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  ID_2,
  ID_3,
  type Initiating,
  initiating,
  inTheClear,
  Line,
  message,
  type Receiving,
  receiving,
  SECRETS,
  SM_OFFERED,
  SUCCESS,
  sasl,
  shownReceiving,
  sm,
  smFailed,
  TO_CAPULET,
  TO_MONTAGUE,
  unproven,
  WEBSOCKET,
  WIRES,
  type Wire,
} from '../kit/streams.ts'
import { treeOf, withoutText } from '../kit/xml-tree.ts'

// Stream management (XEP-0198) as streams agree on it: who may say what when, and what the caller hears of it. Who counts,
// and what becomes of stanzas: the tests of sessions.

const text = (of: Element) => Buffer.from(serialize(of)).toString()
const OFFER = { sm: { id: ID_3, maxSeconds: 300 } } as const
const MECHANISMS = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`
const DIALBACK = `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`
const VALID = db('result', { ...TO_CAPULET, type: 'valid' })
const UNEXPECTED = `<failed xmlns='${NS.sm}'><unexpected-request xmlns='${NS.stanzaErrors}'/></failed>`
const NOT_FOUND = UNEXPECTED.replace('unexpected-request', 'item-not-found')
const NOT_HERE = UNEXPECTED.replace('unexpected-request', 'feature-not-implemented')
const ENABLED = sm('enabled', `id='${ID_2}' resume='true' max='300'`)

const enable = (resume = true): StreamInput => ({ type: 'manage', how: { type: 'enable', resume } })
const resume = (previd = ID_2, h = 5): StreamInput => ({ type: 'manage', how: { type: 'resume', previd, h } })
const resumption = (h: number | null): StreamInput => ({ type: 'resumption', h })
const end: StreamInput = { type: 'end', failure: null }

/** names of the features listed, message by message */
const listed = (side: Receiving): readonly (readonly string[])[] =>
  side.elements
    .filter(({ name }) => name === 'features')
    .map(({ children }) => children.flatMap(child => (typeof child === 'string' ? [] : [child.name])))

const offering = (wire: Wire) => establishedReceiving(wire, OFFER)
const asking = (wire: Wire) => establishedInitiating(wire, { sm: 'offered' }, SM_OFFERED)
/** on, on either side */
const managedSides = (wire: Wire): readonly (Receiving | Initiating)[] => [
  offering(wire).say(sm('enable')),
  asking(wire).give(enable()).say(ENABLED),
  offering(wire)
    .say(sm('resume', `previd='${ID_2}' h='0'`))
    .give(resumption(0)),
  asking(wire)
    .give(resume())
    .say(sm('resumed', `previd='${ID_2}' h='0'`)),
]

describe.each(WIRES)('offered, over $name', wire => {
  it('[SM-01] after SASL, once stanzas may flow; nowhere when it is off', () => {
    expect(listed(offering(wire))).toEqual([
      ['mechanisms', 'limits'],
      ['sm', 'limits'],
    ])
    expect(listed(establishedReceiving(wire))).toEqual([['mechanisms', 'limits'], ['limits']])
    expect(offering(wire).sent.join('')).toContain(`<sm xmlns='${NS.sm}'/>`)
    expect(offering(wire).established?.sm).toBe(true)
    expect(establishedReceiving(wire).established?.sm).toBe(false)
  })

  it('[SM-01] asked for only where it is listed, in its namespace, and wanted', () => {
    const stands = (setting: Parameters<typeof establishedInitiating>[1], offered: string) =>
      establishedInitiating(wire, setting, offered).give(enable())
    expect(stands({ sm: 'offered' }, SM_OFFERED).transcript.at(-1)).toBe('enable')
    for (const side of [
      stands({ sm: 'offered' }, ''),
      stands({ sm: 'offered' }, `<sm xmlns='urn:xmpp:sm:2'/>`),
      stands({}, SM_OFFERED),
    ]) {
      expect([side.established?.sm, side.transcript.at(-1)]).toEqual([false, 'open'])
      expect(side.give(resume()).transcript.at(-1)).toBe('open')
    }
  })

  it('[SM-01 SM-04] a server of our own is asked even where it says nothing of it', () => {
    const bySasl = establishedInitiating(wire, { sm: 'always' })
    const byKey = initiating(wire, { sm: 'always', dialback: SECRETS.capulet }).say(
      wire.open(FROM_MONTAGUE),
      features(DIALBACK),
      VALID,
    )
    for (const side of [bySasl, byKey]) {
      expect(side.established?.sm).toBe(true)
      expect(side.give(enable()).transcript.at(-1)).toBe('enable')
    }
  })

  it('[SM-04] wherever dialback is offered it is listed before authentication, since those features may be the last', () => {
    const side = shownReceiving(wire, OFFER)
    expect(listed(side)).toEqual([['dialback', 'sm', 'limits']])
    const both = receiving(wire, { ...OFFER, dialback: SECRETS.montague }).say(wire.open(FROM_CAPULET))
    expect(listed(both)).toEqual([['mechanisms', 'dialback', 'sm', 'limits']])
  })

  it('[SM-04] enabling waits for the first valid pair', () => {
    const side = shownReceiving(wire, OFFER).say(sm('enable'))
    expect([side.sent.at(-1), side.managed]).toEqual([UNEXPECTED, []])
    side.answer('valid')
    expect(side.established?.sm).toBe(true)
    side.say(sm('enable'))
    expect([side.transcript.at(-1), side.managed.length]).toEqual(['enabled', 1])
  })

  it('[SM-04] with the features from before, the side that has shown its key asks once that is valid', () => {
    const side = initiating(wire, { sm: 'offered', dialback: SECRETS.capulet }).say(
      wire.open(FROM_MONTAGUE),
      features(DIALBACK + SM_OFFERED),
    )
    expect(side.give(enable()).transcript).toEqual(['open', 'result'])
    side.say(VALID)
    expect(side.established?.sm).toBe(true)
    expect(side.give(enable()).transcript).toEqual(['open', 'result', 'enable'])
  })

  it('[SM-04] also where SASL EXTERNAL was refused before; where it succeeds the later features decide', () => {
    const begun = () =>
      initiating(wire, { sm: 'offered', dialback: SECRETS.capulet }).say(
        wire.open(FROM_MONTAGUE),
        features(MECHANISMS + DIALBACK + SM_OFFERED),
      )
    expect(begun().say(sasl('failure', '<not-authorized/>'), VALID).established?.sm).toBe(true)
    const open = wire.open({ ...FROM_MONTAGUE, id: ID_2 })
    expect(begun().say(SUCCESS, open, features('')).established?.sm).toBe(false)
  })

  it('[SM-04] a further pair of a stream changes nothing', () => {
    const side = shownReceiving(wire, OFFER).answer('valid').say(sm('enable'))
    side.say(db('result', { ...TO_MONTAGUE, from: 'verona.example' }, 'key')).answer('valid')
    expect(side.authorised).toContain(domain('verona.example'))
    expect(side.say(sm('r'), sm('enable')).requests).toBe(1)
    expect(side.sent.at(-1)).toBe(UNEXPECTED)
  })
})

describe('offered on the first wire', () => {
  const [wire] = WIRES.filter(({ name }) => name === 'tcp')
  if (wire === undefined) throw new Error('no TCP')
  const tls = `<starttls xmlns='${NS.tls}'/>`

  it('[SM-04] not before TLS that is required, and anew behind it', () => {
    const setting = {
      ...OFFER,
      ...inTheClear(wire),
      dialback: SECRETS.montague,
      starttls: 'required',
    } as const
    const side = receiving(wire, setting).say(wire.open(FROM_CAPULET), tls)
    expect(listed(side)).toEqual([['starttls', 'limits']])
    side.secure(false).say(wire.open(FROM_CAPULET))
    expect(listed(side).at(-1)).toEqual(['dialback', 'sm', 'limits'])
  })

  it('[SM-04] before TLS that is not, and what was listed there is forgotten', () => {
    const setting = {
      ...OFFER,
      ...inTheClear(wire),
      dialback: SECRETS.montague,
      starttls: 'offered',
    } as const
    const side = receiving(wire, setting).say(wire.open(FROM_CAPULET))
    expect(listed(side)).toEqual([['starttls', 'dialback', 'sm', 'limits']])
    side.say(tls).secure(false).say(wire.open(FROM_CAPULET))
    expect(listed(side).at(-1)).toEqual(['dialback', 'sm', 'limits'])

    // Behind TLS it turns out to be one without features.
    const old = receiving(wire, { ...setting, legacy: true })
      .say(wire.open(FROM_CAPULET), tls)
      .secure(false)
    old
      .say(wire.open({ ...TO_MONTAGUE, 'xmlns:db': NS.dialback }), db('result', TO_MONTAGUE, 'key'))
      .answer('valid')
    expect(old.established?.sm).toBe(false)
  })

  it('[SM-01] not to a peer without features, nor asked of one, not even where it is always asked for', () => {
    const old = { from: 'capulet.example', to: 'montague.example', 'xmlns:db': NS.dialback }
    const side = receiving(wire, {
      ...OFFER,
      ...inTheClear(wire),
      dialback: SECRETS.montague,
      legacy: true,
    })
      .say(wire.open(old), db('result', TO_MONTAGUE, 'key'))
      .answer('valid')
    expect([side.established?.sm, listed(side)]).toEqual([false, []])
    expect(side.say(sm('enable')).sent.at(-1)).toBe(NOT_HERE)
    const asks = initiating(wire, {
      ...inTheClear(wire),
      peer: 'configured-address',
      dialback: SECRETS.capulet,
      sm: 'always',
    }).say(wire.open({ from: 'montague.example', id: 'old', 'xmlns:db': NS.dialback }), VALID)
    expect([asks.established?.sm, asks.give(enable()).transcript]).toEqual([false, ['open', 'result']])
  })
})

describe.each(WIRES)('enabled, over $name', wire => {
  it('[SM-02] by both machines, after SASL and after dialback, and not by what comes before', () => {
    const bySasl = () =>
      [initiating(wire, { sm: 'offered', bidi: true }), receiving(wire, { ...OFFER, bidi: true })] as const
    const byKey = () =>
      [
        initiating(wire, { sm: 'offered', certificate: false, dialback: SECRETS.capulet }),
        receiving(wire, { ...OFFER, peerCertificate: false, dialback: SECRETS.montague }),
      ] as const
    for (const [one, other] of [bySasl(), byKey()]) {
      const line = new Line(one, other)
      line.run()
      if (other.asked.length > 0) other.answer('valid')
      line.run()
      one.give(enable())
      line.run()
      const managed = [{ type: 'enabled', id: ID_3, maxSeconds: 300 }]
      expect([one.managed, other.managed]).toEqual([managed, managed])
    }
  })

  it('[SM-02] <enable/> or <resume/> before the peer is proven fails, and the stream goes on', () => {
    for (const word of [sm('enable'), sm('resume', `previd='x' h='0'`), sm('resume', `h='x'`), sm('r')]) {
      const waiting = receiving(wire, OFFER)
      waiting.verdict = null
      waiting.say(wire.open(FROM_CAPULET), word)
      expect(waiting.sent.at(-1)).toBe(UNEXPECTED)
      const unprovable = receiving(wire, { ...OFFER, dialback: SECRETS.montague })
      unprovable.verdict = claimed => unproven(claimed)
      expect(unprovable.say(wire.open(FROM_CAPULET), word).sent.at(-1)).toBe(UNEXPECTED)

      const side = receiving(wire, OFFER).say(wire.open(FROM_CAPULET), word)
      expect(side.sent.at(-1)).toBe(UNEXPECTED)
      side.say(auth('='), wire.open(FROM_CAPULET))
      expect([side.isEstablished, side.managed, side.resumptions]).toEqual([true, [], []])
      expect(side.say(sm('enable')).managed).toHaveLength(1)
    }
  })

  it('[SM-02] the answers say the same where it is off before authentication', () => {
    const side = receiving(wire).say(wire.open(FROM_CAPULET), sm('enable'))
    expect([side.sent.at(-1), side.ended]).toEqual([UNEXPECTED, undefined])
  })

  it('[SM-02] one of them in a stream: each further one fails, and what is on stays on', () => {
    for (const side of managedSides(wire)) {
      side.say(sm('enable'), sm('resume', `previd='${ID_2}' h='0'`))
      expect(side.sent.slice(-2)).toEqual([UNEXPECTED, UNEXPECTED])
      expect(side.say(sm('a', `h='0'`), sm('r')).acks).toEqual([0])
      expect([side.requests, side.isEstablished]).toEqual([1, true])
    }
  })

  it('[SM-02] we ask once, and a refusal is the end of it', () => {
    const side = asking(wire).give(enable(false)).give(enable()).give(resume())
    expect(side.transcript.filter(name => name === 'enable' || name === 'resume')).toEqual(['enable'])
    expect(side.sent.at(-1)).toBe(`<enable xmlns='${NS.sm}'/>`)
    side.say(smFailed('unexpected-request', `h='4'`))
    expect(side.managed).toEqual([{ type: 'failed', h: null, condition: 'unexpected-request' }])
    expect(side.give(enable()).transcript.filter(name => name === 'enable')).toHaveLength(1)
    expect(side.say(ENABLED).managed).toHaveLength(1)
  })

  it('[SM-02] <resumed/> enables nothing', () => {
    const side = asking(wire)
      .give(enable())
      .say(sm('resumed', `previd='${ID_2}' h='0'`), sm('a', `h='1'`))
    expect([side.managed, side.acks]).toEqual([[], []])
    expect(side.say(ENABLED).managed).toHaveLength(1)
  })

  it('[SM-02] who has opened the stream is asked for nothing', () => {
    for (const side of [
      establishedInitiating(wire),
      asking(wire),
      initiating(wire, { dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), features(DIALBACK)),
    ]) {
      for (const word of [sm('enable'), sm('resume', `previd='x' h='0'`), sm('r')])
        expect(side.say(word).sent.at(-1)).toBe(UNEXPECTED)
      expect(side.errors).toEqual([])
    }
  })

  it('[SM-02 SM-01] where it is off, asking for it is answered', () => {
    const side = establishedReceiving(wire).say(sm('enable'), sm('resume', `previd='x' h='0'`), sm('r'))
    expect(side.sent.slice(-3)).toEqual([NOT_HERE, NOT_HERE, UNEXPECTED])
    expect([side.isEstablished, side.managed, side.resumptions]).toEqual([true, [], []])
  })

  it('[SM-02 SE-31] answers that nobody asked for, and what is unknown in the namespace, change nothing', () => {
    const words = [
      ENABLED,
      sm('resumed', `previd='${ID_2}' h='0'`),
      sm('resumed', `h='x'`),
      smFailed('item-not-found'),
      smFailed('item-not-found', `h='x'`),
      sm('oath'),
      SM_OFFERED,
    ]
    for (const side of [
      establishedReceiving(wire),
      offering(wire),
      asking(wire),
      establishedInitiating(wire),
      ...managedSides(wire),
      receiving(wire).say(wire.open(FROM_CAPULET)),
    ]) {
      const [sent, managed] = [side.sent.length, side.managed.length]
      side.say(...words)
      expect([side.sent.length, side.managed.length, side.ended]).toEqual([sent, managed, undefined])
    }
  })
})

describe.each(WIRES)('counted, over $name', wire => {
  it('[SM-03] h is heard as it is said, up to the last number before it wraps', () => {
    for (const side of managedSides(wire)) {
      side.say(...[0, 1, 4_294_967_295, 0].map(h => sm('a', `h='${h}'`)))
      expect(side.acks).toEqual([0, 1, 4_294_967_295, 0])
    }
  })

  it.each(['4294967296', '99999999999999999999', '-1', '+1', '1.0', '0x1', '1e3', ' ', '', 'one'])(
    '[SM-03] h=%j is no count: it ends the stream',
    h => {
      for (const side of managedSides(wire)) {
        side.say(sm('a', `h='${h}'`))
        expect([side.acks, side.errors]).toEqual([[], ['invalid-xml']])
        expect(side.ended).toMatchObject({ kind: 'violation', rule: 'SM-03' })
      }
      for (const side of [
        offering(wire).say(sm('resume', `previd='x' h='${h}'`)),
        asking(wire)
          .give(resume())
          .say(sm('resumed', `previd='${ID_2}' h='${h}'`)),
      ]) {
        expect([side.errors, side.managed, side.resumptions]).toEqual([['invalid-xml'], [], []])
        expect([...side.timers.keys()]).toEqual([])
      }
    },
  )

  it('[SM-03] an ack without a count is none; where it is off nobody looks', () => {
    for (const side of managedSides(wire)) expect(side.say(sm('a')).errors).toEqual(['invalid-xml'])
    for (const side of [
      offering(wire),
      establishedReceiving(wire),
      asking(wire),
      establishedInitiating(wire),
    ])
      expect(side.say(sm('a'), sm('a', `h='9'`)).isEstablished).toBe(true)
  })

  it('[SM-03] the counters begin behind <enabled/>: the caller hears of it once that is written or read', () => {
    const side = establishedReceiving(wire, OFFER).say(GOOD_MESSAGE, sm('enable'), GOOD_MESSAGE)
    expect(side.outputs.slice(-4).map(({ type }) => type)).toEqual(['stanza', 'write', 'managed', 'stanza'])
  })

  it('[SM-05] <r/> is for the caller to answer in the same turn, each time', () => {
    for (const side of managedSides(wire)) {
      const sent = side.sent.length
      side.say(sm('r'), sm('r'))
      expect([side.requests, side.sent.length]).toEqual([2, sent])
      expect(side.outputs.at(-1)).toEqual({ type: 'ack-request' })
    }
  })

  it('[SM-05] what the peer acknowledges before its close is heard, also behind ours and behind its error', () => {
    const shutdown: StreamInput = { type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } }
    for (const begin of [
      (side: Receiving | Initiating) => side.give(end),
      (side: Receiving | Initiating) => side.give(shutdown),
      (side: Receiving | Initiating) => side.say(error('system-shutdown')),
    ]) {
      for (const side of managedSides(wire)) {
        begin(side)
        const sent = side.sent.length
        side.say(sm('r'), sm('a', `h='x'`), smFailed('gone', `h='6'`), sm('a', `h='7'`), sm('enable'))
        side.say(wire.close, sm('a', `h='8'`))
        expect([side.acks, side.requests, side.lateRequests, side.sent.length]).toEqual([[7], 0, 1, sent])
      }
    }
  })

  it('[SM-05] not where it is not on, nor behind the peer’s close', () => {
    for (const side of [offering(wire), asking(wire).give(enable())])
      expect(side.give(end).say(sm('a', `h='7'`), ENABLED).acks).toEqual([])
    for (const side of managedSides(wire)) expect(side.say(wire.close, sm('a', `h='7'`)).acks).toEqual([])
  })

  it('[SM-09] an ack above what was sent: the error names both counts', () => {
    for (const side of managedSides(wire)) {
      side.say(sm('a', `h='10'`)).give({ type: 'end', failure: handledTooHigh(10, 8) })
      const [told] = side.elements.filter(({ name }) => name === 'error')
      expect(told?.children).toContainEqual(
        expect.objectContaining({ name: 'handled-count-too-high', namespace: NS.sm }),
      )
      expect(side.errors).toEqual(['undefined-condition'])
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'violation', rule: 'SM-09' })
    }
  })
})

describe('the exchanges of the digest', () => {
  const wire = WEBSOCKET

  it('[SM-02 SM-05] EX-60, each in a message of its own', () => {
    const [ask, , stanza, question] = MANAGEMENT.map(said => said.text)
    const one = asking(wire).give(enable(false))
    expect(one.sent.at(-1)).toBe(ask)
    expect(text(requestElement())).toBe(question)
    const other = offering(wire).say(ask ?? '', stanza ?? '', question ?? '')
    expect([other.stanzas.length, other.requests]).toEqual([1, 1])
    expect([other.sent.at(-1), text(ackElement(1))]).toEqual(
      MANAGEMENT.filter(({ by }) => by === 'S').map(said => said.text),
    )
  })

  it('[SM-09] EX-30', () => {
    const [expected] = STREAM_ERRORS.filter(said => said.text.includes('handled-count-too-high'))
    const side = offering(wire)
      .say(sm('enable'))
      .give({ type: 'end', failure: handledTooHigh(10, 8) })
    const told = side.sent.find(sent => sent.startsWith('<stream:error')) ?? ''
    expect(withoutText(treeOf(told))).toEqual(treeOf(expected?.text ?? ''))
  })
})

describe.each(WIRES)('resumed, over $name', wire => {
  const wanted = sm('resume', `previd='${ID_2}' h='5'`)

  it('[SM-08] the id is on <enabled/> where that was asked for and we can', () => {
    const side = offering(wire).say(sm('enable', `resume='true'`))
    expect(side.sent.at(-1)).toBe(`<enabled xmlns='${NS.sm}' id='${ID_3}' resume='true' max='300'/>`)
    expect(side.managed).toEqual([{ type: 'enabled', id: ID_3, maxSeconds: 300 }])
    const unable = establishedReceiving(wire, { sm: { id: ID_3, maxSeconds: 0 } })
    unable.say(sm('enable', `resume='true'`))
    expect(unable.sent.at(-1)).toBe(`<enabled xmlns='${NS.sm}'/>`)
    expect(unable.managed).toEqual([{ type: 'enabled', id: null, maxSeconds: null }])
  })

  it('[SM-08] what is to go on, the caller knows: asked on a stream that is proven, and nothing is taken meanwhile', () => {
    const side = offering(wire).say(wanted)
    expect(side.resumptions).toEqual([{ type: 'need-resumption', previd: ID_2, h: 5 }])
    side.say(sm('enable'), wanted, sm('a', `h='6'`), sm('r'))
    expect(side.sent.slice(-3)).toEqual([UNEXPECTED, UNEXPECTED, UNEXPECTED])
    expect([side.resumptions.length, side.acks, side.managed]).toEqual([1, [], []])
    side.give(resumption(7))
    expect(side.sent.at(-1)).toBe(`<resumed xmlns='${NS.sm}' previd='${ID_2}' h='7'/>`)
    expect(side.managed).toEqual([{ type: 'resumed', h: 5 }])
    expect(side.outputs.slice(-2).map(({ type }) => type)).toEqual(['write', 'managed'])
    expect(side.give(resumption(7)).managed).toHaveLength(1)
  })

  it('[SM-08] stanzas go on meanwhile', () => {
    expect(offering(wire).say(wanted, GOOD_MESSAGE).stanzas).toHaveLength(1)
    const side = establishedInitiating(wire, { sm: 'always', bidi: true })
    expect(side.say(GOOD_MESSAGE).stanzas).toEqual([])
    const bidi = initiating(wire, { sm: 'offered', bidi: true }).say(
      wire.open(FROM_MONTAGUE),
      features(`${MECHANISMS}<bidi xmlns='${NS.bidiFeature}'/>`),
      SUCCESS,
      wire.open({ ...FROM_MONTAGUE, id: ID_2 }),
      features(SM_OFFERED),
    )
    bidi.give(resume()).say(message(`from='romeo@montague.example' to='juliet@capulet.example'`))
    expect([bidi.stanzas.length, bidi.managed]).toEqual([1, []])
  })

  it('[SM-08 SM-10] what the caller does not know is not found, and a new one may begin on the same stream', () => {
    const side = offering(wire).say(wanted).give(resumption(null))
    expect([side.sent.at(-1), side.managed]).toEqual([NOT_FOUND, []])
    side.say(wanted).give(resumption(null)).say(sm('enable'))
    expect([side.transcript.at(-1), side.managed.length]).toEqual(['enabled', 1])
  })

  it('[SM-08] where nothing can be resumed nobody is asked', () => {
    const side = establishedReceiving(wire, { sm: { id: ID_3, maxSeconds: 0 } }).say(wanted)
    expect([side.sent.at(-1), side.resumptions]).toEqual([NOT_HERE, []])
    expect(side.say(sm('enable')).managed).toHaveLength(1)
  })

  it('[SM-08] we say what is to go on and what of it we have handled; the answer says what the peer has', () => {
    const side = asking(wire).give(resume(ID_2, 4_294_967_295))
    expect(side.sent.at(-1)).toBe(`<resume xmlns='${NS.sm}' previd='${ID_2}' h='4294967295'/>`)
    expect(side.timers.has('management')).toBe(true)
    side.say(sm('resumed', `previd='${ID_2}' h='3'`))
    expect(side.managed).toEqual([{ type: 'resumed', h: 3 }])
    expect(side.timers.size).toBe(0)
  })

  it('[SM-08] an answer about another stream is none that we can go on with', () => {
    for (const attributes of [`previd='${ID_3}' h='3'`, `h='3'`]) {
      const side = asking(wire).give(resume()).say(sm('resumed', attributes))
      expect([side.managed, side.errors, side.timers.size]).toEqual([[], ['bad-format'], 0])
      expect(side.ended).toMatchObject({ rule: 'SM-08' })
    }
  })

  it('[SM-08] a refusal, which may say what was handled; then a new one begins on the same stream', () => {
    const side = asking(wire).give(resume()).say(smFailed('item-not-found', `h='3'`))
    expect(side.managed).toEqual([{ type: 'failed', h: 3, condition: 'item-not-found' }])
    expect(side.timers.size).toBe(0)
    side.give(enable()).say(ENABLED)
    expect(side.managed.at(-1)).toEqual({ type: 'enabled', id: ID_2, maxSeconds: 300 })
  })

  it('[SM-08] no answer in time: the stream goes on without it', () => {
    const side = asking(wire).give(resume()).give({ type: 'timeout', timer: 'management' })
    expect(side.managed).toEqual([{ type: 'failed', h: null, condition: 'remote-server-timeout' }])
    expect([side.isEstablished, side.errors]).toEqual([true, []])
    side.give({ type: 'timeout', timer: 'management' })
    expect(side.managed).toHaveLength(1)
  })

  it.each([
    ['refuses', smFailed('item-not-found')],
    ['resumes', sm('resumed', `previd='${ID_2}' h='3'`)],
  ])('[SM-08] an answer that %s after that is not taken for another', (_, late) => {
    const timedOut = () => asking(wire).give(resume()).give({ type: 'timeout', timer: 'management' })
    for (const side of [timedOut().say(late).give(enable()), timedOut().give(enable()).say(late)]) {
      expect(side.managed).toHaveLength(1)
      expect(side.say(ENABLED).managed.at(-1)).toMatchObject({ type: 'enabled' })
    }
    const refused = timedOut().give(enable()).say(late, smFailed('unexpected-request'))
    expect(refused.managed.at(-1)).toMatchObject({ type: 'failed', condition: 'unexpected-request' })
  })

  it('[SM-10] a stream that ends while it waits for either answer ends as any other', () => {
    for (const side of [offering(wire).say(wanted), asking(wire).give(resume())]) {
      side.give(end)
      expect([...side.timers.keys()]).toEqual(['close'])
      side.give(resumption(7)).say(sm('resumed', `previd='${ID_2}' h='3'`), wire.close)
      expect([side.ended, side.managed]).toEqual([null, []])
    }
    for (const side of [offering(wire).say(wanted), asking(wire).give(resume())]) {
      side.give({ type: 'transport-closed', failure: null })
      expect([side.timers.size, side.managed]).toEqual([0, []])
      expect(side.ended).toMatchObject({ by: 'network' })
    }
  })
})

import { describe, expect, it } from 'vitest'
import { NS } from '../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  db,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  ID_1,
  ID_2,
  type Initiating,
  initiating,
  keyOf,
  Line,
  MONTAGUE,
  message,
  proven,
  type Receiving,
  receiving,
  SECRETS,
  SUCCESS,
  sasl,
  TCP,
  TO_CAPULET,
  TO_MONTAGUE,
  unproven,
  WIRES,
  type Wire,
} from '../kit/streams.ts'

// Bidirectional streams (XEP-0288): asked for by the side that opens the stream, offered by the other.

const BIDI = `<bidi xmlns='${NS.bidiFeature}'/>`
const MECHANISMS = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`
const DIALBACK = `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`
const FROM_ROMEO = message(`from='romeo@montague.example' to='juliet@capulet.example'`)
const VALID = db('result', { ...TO_CAPULET, type: 'valid' })

const begun = (wire: Wire, offered: string, bidi = true): Initiating =>
  initiating(wire, { bidi, dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), features(offered))
const bySasl = (wire: Wire): Initiating =>
  begun(wire, MECHANISMS + BIDI).say(SUCCESS, wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))

describe.each(WIRES)('over $name', wire => {
  it('[BI-02] it is asked for once, before SASL or the key, in the namespace of requests, and needs no answer', () => {
    const sasl = begun(wire, MECHANISMS + BIDI)
    expect(sasl.transcript).toEqual(['open', 'bidi', 'auth'])
    expect(sasl.elements[0]).toMatchObject({ name: 'bidi', namespace: NS.bidi })
    expect(begun(wire, DIALBACK + BIDI).transcript).toEqual(['open', 'bidi', 'result'])
  })

  it('[BI-02] not where it is not offered, not wanted, or offered in the namespace of requests', () => {
    for (const side of [
      begun(wire, MECHANISMS),
      begun(wire, MECHANISMS + BIDI, false),
      // ejabberd 24.12
      begun(wire, `${MECHANISMS}<bidi xmlns='${NS.bidi}'/>`),
    ]) {
      expect(side.transcript).toEqual(['open', 'auth'])
      side.say(SUCCESS, wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))
      expect(side.established?.bidi).toBe(false)
      expect(side.say(FROM_ROMEO).errors).toEqual(['not-authorized'])
      expect(side.stanzas).toEqual([])
    }
  })

  it('[BI-04] it holds after the restart, without being said again', () => {
    const side = bySasl(wire)
    expect(side.transcript).toEqual(['open', 'bidi', 'auth', 'open'])
    expect(side.established?.bidi).toBe(true)
    expect(side.say(FROM_ROMEO).stanzas).toHaveLength(1)
  })

  it('[BI-03] no stanza of the other side counts before we are proven', () => {
    const states = [
      begun(wire, MECHANISMS + BIDI),
      begun(wire, MECHANISMS + BIDI).say(SUCCESS),
      begun(wire, MECHANISMS + BIDI).say(SUCCESS, wire.open(FROM_MONTAGUE)),
      begun(wire, MECHANISMS + BIDI + DIALBACK).say(sasl('failure', '<not-authorized/>')),
      begun(wire, DIALBACK + BIDI),
    ]
    for (const side of states) {
      side.say(FROM_ROMEO)
      expect(side.errors).toHaveLength(1)
      side.say(SUCCESS, VALID, FROM_ROMEO)
      expect([side.stanzas, side.established]).toEqual([[], null])
    }
  })

  it.each([
    [
      'from another domain',
      message(`from='nurse@verona.example' to='juliet@capulet.example'`),
      'invalid-from',
    ],
    ['to another domain', message(`from='romeo@montague.example' to='nurse@verona.example'`), 'host-unknown'],
    ['from us', GOOD_MESSAGE, 'invalid-from'],
  ])('[BI-03] after it, none %s', (_, stanza, condition) => {
    for (const side of [bySasl(wire), begun(wire, DIALBACK + BIDI).say(VALID)]) {
      expect(side.established?.bidi).toBe(true)
      side.say(FROM_ROMEO, stanza)
      expect(side.stanzas).toHaveLength(1)
      expect(side.errors).toEqual([condition])
    }
  })

  it('[BI-03] a server of our own may say to anybody what its domain says, and nothing else', () => {
    const side = initiating(wire, { bidi: true, dialback: SECRETS.capulet, stanzasTo: 'anybody' })
    side.say(wire.open(FROM_MONTAGUE), features(DIALBACK + BIDI), VALID)
    side.say(message(`from='romeo@montague.example' to='nurse@verona.example'`))
    expect(side.stanzas).toHaveLength(1)
    side.say(message(`from='nurse@verona.example' to='juliet@capulet.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it('[BI-03] what the peer says until its close is taken, as on any stream', () => {
    const side = bySasl(wire).give({ type: 'end', failure: null }).say(FROM_ROMEO, GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    expect(side.say(wire.close).ended).toBeNull()
  })

  it('[BI-05] the other side may show keys of its domains there: each is refused, and nothing ends', () => {
    const side = begun(wire, DIALBACK + BIDI).say(VALID)
    side.say(db('result', { ...TO_CAPULET, from: 'rooms.montague.example' }, 'key'), FROM_ROMEO)
    expect(side.transcript.slice(-1)).toEqual(['result'])
    expect(side.stanzas).toHaveLength(1)
    side.say(message(`from='hall@rooms.montague.example' to='juliet@capulet.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it('[BI-05] a key of the pair itself is valid, as it is proven already; without bidi it is not', () => {
    const key = db('result', TO_CAPULET, 'key')
    const typeOf = (side: Initiating) =>
      side.elements.at(-1)?.attributes.find(({ name }) => name === 'type')?.value
    expect(typeOf(begun(wire, DIALBACK + BIDI).say(VALID, key))).toBe('valid')
    expect(typeOf(bySasl(wire).say(key))).toBe('valid')
    expect(typeOf(begun(wire, DIALBACK).say(VALID, key))).toBe('error')
    expect(typeOf(begun(wire, DIALBACK + BIDI).say(key))).toBe('error')
    for (const other of [{ from: 'rooms.montague.example' }, { to: 'verona.example' }])
      expect(typeOf(bySasl(wire).say(db('result', { ...TO_CAPULET, ...other }, 'key')))).toBe('error')
  })

  it('[BI-05 DB-25] errors in answer to our key, and answers that we did not ask for, are dialback there as anywhere', () => {
    const refused = begun(wire, DIALBACK + BIDI).say(db('result', { ...TO_CAPULET, type: 'error' }))
    expect(refused.ended).toMatchObject({ kind: 'unauthenticated' })
    const other = db('result', { from: 'rooms.montague.example', to: 'capulet.example', type: 'error' })
    const side = begun(wire, DIALBACK + BIDI).say(VALID, other, other)
    expect(side.isEstablished).toBe(true)
    expect(side.say(FROM_ROMEO).stanzas).toHaveLength(1)
  })
})

// -- the side that takes the stream ------------------------------------------------------------------------------------

const request = (content = '', namespace: string = NS.bidi) => `<bidi xmlns='${namespace}'>${content}</bidi>`
const LIMITS = `<limits xmlns='${NS.limits}'><max-bytes>20000</max-bytes><idle-seconds>900</idle-seconds></limits>`

const taken = (wire: Wire, more: Parameters<typeof receiving>[1] = {}): Receiving =>
  receiving(wire, { bidi: true, dialback: SECRETS.montague, ...more }).say(wire.open(FROM_CAPULET))
const authenticate = (side: Receiving): Receiving => side.say(auth('='), side.wire.open(FROM_CAPULET))
const showKey = (side: Receiving): Receiving =>
  side.say(db('result', TO_MONTAGUE, keyOf(CAPULET, MONTAGUE, ID_1))).answer('valid')
/** in each list of features: the names that it has */
const offered = (side: Receiving): readonly (readonly string[])[] =>
  side.elements
    .filter(({ name }) => name === 'features')
    .map(({ children }) => children.map(child => (typeof child === 'string' ? '' : child.name)))

describe.each(WIRES)('offered over $name', wire => {
  it('[BI-01] before authentication, to whom EXTERNAL is offered and to whom it is not; after it no more', () => {
    const bySasl = authenticate(taken(wire))
    expect(offered(bySasl)).toEqual([
      ['mechanisms', 'dialback', 'bidi', 'limits'],
      ['dialback', 'limits'],
    ])
    expect(bySasl.elements[0]?.children).toContainEqual(
      expect.objectContaining({ name: 'bidi', namespace: NS.bidiFeature, children: [] }),
    )
    expect(offered(authenticate(taken(wire).say(request())))[1]).toEqual(['dialback', 'limits'])
    expect(offered(taken(wire, { peerCertificate: false }))).toEqual([['dialback', 'bidi', 'limits']])
    expect(offered(taken(wire, { bidi: false }))).toEqual([['mechanisms', 'dialback', 'limits']])
  })

  it.each([NS.bidi, NS.bidiFeature])(
    '[BI-02 BI-04] asked for before SASL, in %s, it holds after the restart; nothing answers it',
    namespace => {
      const side = authenticate(taken(wire).say(request('', namespace)))
      expect(side.established?.bidi).toBe(true)
      expect(side.transcript).toEqual(['open', 'features', 'success', 'open', 'features'])
    },
  )

  it('[BI-02] asked for before the key, or while it is asked about, or after EXTERNAL has failed', () => {
    const key = db('result', TO_MONTAGUE, keyOf(CAPULET, MONTAGUE, ID_1))
    const noCertificate = { peerCertificate: false } as const
    for (const side of [
      taken(wire, noCertificate).say(request(), key),
      taken(wire, noCertificate).say(key, request()),
      taken(wire).say(request(), auth('cm9tZW8='), key),
    ]) {
      expect(side.answer('valid').established?.bidi).toBe(true)
      expect(side.bidi).toBeNull()
    }
  })

  it('[BI-04] asked for after authentication, it is from then on', () => {
    for (const side of [authenticate(taken(wire)), showKey(taken(wire))]) {
      expect(side.established?.bidi).toBe(false)
      expect(side.say(GOOD_MESSAGE, request(LIMITS)).bidi).toEqual({
        type: 'bidi',
        peerLimits: { maxBytes: 20_000, idleSeconds: 900 },
      })
      expect(side.say(GOOD_MESSAGE).stanzas).toHaveLength(2)
    }
  })

  it('[BI-04] it is asked for once: what is said of it later changes nothing', () => {
    const side = authenticate(taken(wire).say(request(LIMITS), request()))
    expect(side.established).toMatchObject({ bidi: true, peerLimits: { maxBytes: 20_000, idleSeconds: 900 } })
    expect(side.say(request(), GOOD_MESSAGE).bidi).toBeNull()
    expect(side.isEstablished).toBe(true)
    const other = authenticate(
      taken(wire).say(request().replaceAll('bidi ', 'bidirectional ').replace('</bidi>', '</bidirectional>')),
    )
    expect(other.established?.bidi).toBe(false)
  })

  it('[BI-03] with dialback: of each pair that was proven, and of no other, as a machine tells its session', () => {
    const side = showKey(taken(wire).say(request()))
    expect(side.established).toMatchObject({ bidi: true, pair: { local: MONTAGUE, remote: CAPULET } })
    const rooms = { from: 'rooms.capulet.example', to: 'montague.example' }
    side.say(db('result', rooms, 'key')).answer('valid')
    expect(side.authorised).toEqual(['capulet.example', 'rooms.capulet.example'])
  })

  it('[DB-44 BI-04] after EXTERNAL, a key on it is of the header behind the restart', () => {
    const side = authenticate(taken(wire).say(request()))
    side.say(db('result', { from: 'rooms.capulet.example', to: 'montague.example' }, 'key'))
    expect(side.asked.map(({ id }) => id)).toEqual([ID_2])
  })

  it('[BI-04] what was asked for before it was offered is not asked for', () => {
    const side = receiving(wire, { bidi: true })
    side.verdict = null
    side.say(wire.open(FROM_CAPULET), request())
    expect(side.transcript).toEqual(['open'])
    side.give({ type: 'identity', verdict: unproven(CAPULET) })
    expect(side.established).toBeNull()
    const waiting = receiving(wire, { bidi: true, dialback: SECRETS.montague })
    waiting.verdict = null
    waiting.say(wire.open(FROM_CAPULET), request()).give({ type: 'identity', verdict: proven(CAPULET) })
    expect(authenticate(waiting).established?.bidi).toBe(false)
  })

  it('[BI-02 BI-04] both machines agree on it, by SASL and by dialback', () => {
    for (const certificate of [true, false]) {
      const one = initiating(wire, { bidi: true, dialback: SECRETS.capulet })
      const other = receiving(wire, { bidi: true, dialback: SECRETS.montague, peerCertificate: certificate })
      const line = new Line(one, other)
      line.run()
      if (!certificate) other.answer('valid')
      line.run()
      expect([one.established?.bidi, other.established?.bidi]).toEqual([true, true])
      expect(one.say(FROM_ROMEO).stanzas).toHaveLength(1)
    }
  })

  it.each([NS.bidi, NS.bidiFeature])(
    '[BI-04] who has not offered it takes a request in %s for nothing, at any time',
    namespace => {
      const asked = request('', namespace)
      const open = wire.open(FROM_CAPULET)
      const side = receiving(wire).say(open, asked, auth('='), open, asked)
      expect(side.established).toMatchObject({ bidi: false, pair: { local: MONTAGUE, remote: CAPULET } })
      expect(side.say(GOOD_MESSAGE).stanzas).toHaveLength(1)
      expect([side.bidi, side.sent.join('').includes('bidi')]).toEqual([null, false])
    },
  )
})

describe('offered over a wire that agrees on TLS', () => {
  it('[BI-01] not before TLS where that is required; what was asked for in the clear is forgotten', () => {
    const clear = { policy: { secure: false, name: 'tcp' }, peerCertificate: false } as const
    const required = taken(TCP, { ...clear, starttls: 'required' })
    expect(offered(required)).toEqual([['starttls', 'limits']])
    const side = taken(TCP, { ...clear, starttls: 'offered' })
    expect(offered(side)).toEqual([['starttls', 'dialback', 'bidi', 'limits']])
    side.say(request(), `<starttls xmlns='${NS.tls}'/>`).secure().say(TCP.open(FROM_CAPULET))
    expect(authenticate(side).established?.bidi).toBe(false)
    // COMPAT(jabberd2): nor does it count on a stream without features.
    const { version: _, ...old } = FROM_CAPULET
    const legacy = taken(TCP, { ...clear, starttls: 'offered', legacy: true })
    legacy.say(request(), `<starttls xmlns='${NS.tls}'/>`).secure().say(TCP.open(old))
    expect(showKey(legacy).established?.bidi).toBe(false)
  })
})

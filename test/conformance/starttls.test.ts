import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import type { InitiatingOptions, ReceivingOptions } from '../../src/stream/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  DIALBACK_OFFERED,
  db,
  EXTERNAL_OFFERED,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  firstChild,
  GOOD_MESSAGE,
  ID_1,
  ID_2,
  ID_3,
  type Initiating,
  initiating,
  MONTAGUE,
  proven,
  type Receiving,
  receiving,
  SECRETS,
  SUCCESS,
  TCP,
  TO_MONTAGUE,
  unproven,
  WEBSOCKET,
} from '../kit/streams.ts'

// STARTTLS (RFC 6120 §5) on TCP: between the word and TLS nothing is read or written, and nothing said before it counts.
// That nothing is written there is checked by the kit, too.

const wire = TCP
const policy = { secure: false, name: 'tcp' } as const
const STARTTLS = `<starttls xmlns='${NS.tls}'/>`
const PROCEED = `<proceed xmlns='${NS.tls}'/>`
const TLS_OFFERED = features(STARTTLS)
const open = wire.open(FROM_CAPULET)
const answer = wire.open(FROM_MONTAGUE)

/** In the clear, the header said. */
const clear = (more: Partial<Omit<ReceivingOptions, 'limits'>> = {}): Receiving =>
  receiving(wire, { policy, peerCertificate: false, starttls: 'required', ...more }).say(open)
const dialled = (more: Partial<Omit<InitiatingOptions, 'limits'>> = {}): Initiating =>
  initiating(wire, { policy, peer: 'by-starttls', starttls: 'required', ...more }).say(answer)

const offered = (side: Receiving) =>
  side.elements.at(-1)?.children.map(child => (typeof child === 'string' ? '' : child.name))

describe('who is asked for TLS', () => {
  it('[SA-02 ST-08] proceeds, and begins anew: TLS, header, EXTERNAL, header, each with an id of its own', () => {
    const side = clear()
    expect(offered(side)).toEqual(['starttls', 'limits'])
    expect(side.sent[1]).toContain(`<starttls xmlns='${NS.tls}'><required/></starttls>`)
    side.say(STARTTLS)
    expect(side.transcript).toEqual(['open', 'features', 'proceed'])
    expect(side.outputs.slice(-2).map(({ type }) => type)).toEqual(['restart', 'start-tls'])
    expect([...side.timers]).toEqual([])
    side.secure()
    expect([...side.timers]).toEqual([['open', defaultLimits.openMs]])
    side.say(open)
    expect(offered(side)).toEqual(['mechanisms', 'limits'])
    side.say(auth('='), open, GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    const ids = side.frames.flatMap(frame => (frame.type === 'open' ? [frame.header.id] : []))
    expect(ids).toEqual([ID_1, ID_2, ID_3])
  })

  it('the context is for the pair of the header', () => {
    expect(clear().say(STARTTLS).outputs.at(-1)).toEqual({
      type: 'start-tls',
      pair: { local: MONTAGUE, remote: CAPULET },
    })
  })

  it('[SA-17] where TLS is required nothing else authenticates before it', () => {
    const side = clear({ dialback: SECRETS.montague })
    expect(offered(side)).toEqual(['starttls', 'limits'])
    side.say(db('result', TO_MONTAGUE, 'key'), auth('='))
    expect(side.asked).toEqual([])
    expect(side.elements.slice(-2).map(said => firstChild(said)?.name)).toEqual([
      'error',
      'invalid-mechanism',
    ])
    expect(side.say(GOOD_MESSAGE).errors).toEqual(['not-authorized'])
    expect(side.stanzas).toEqual([])
  })

  it('[SA-17] without a certificate behind TLS nobody is proven, unless by dialback', () => {
    const none = clear().say(STARTTLS).secure(false).say(open)
    expect(none.ended).toMatchObject({ kind: 'identity', reason: 'no-certificate' })
    const wrong = clear()
    wrong.verdict = unproven
    wrong.say(STARTTLS).secure().say(open)
    expect(wrong.ended).toMatchObject({ kind: 'identity' })
    const dialback = clear({ dialback: SECRETS.montague, starttls: 'offered' })
    expect(offered(dialback)).toEqual(['starttls', 'dialback', 'limits'])
    dialback
      .say(STARTTLS)
      .secure(false)
      .say(open, db('result', TO_MONTAGUE, 'key'))
    expect(dialback.asked).toMatchObject([{ id: ID_2 }])
    expect(dialback.answer('valid').say(GOOD_MESSAGE).stanzas).toHaveLength(1)
  })

  it('[DB-44] what was asked in the clear is void behind TLS', () => {
    const side = clear({ dialback: SECRETS.montague, starttls: 'offered' })
    side
      .say(db('result', TO_MONTAGUE, 'key'), STARTTLS)
      .answer('valid')
      .secure()
      .answer('valid')
    side.say(open).answer('valid')
    expect(side.established).toBeNull()
    side.say(auth('='), open)
    expect(side.answer('valid').authorised).toEqual([CAPULET])
    expect(side.transcript).not.toContain('result')
  })

  it.each([
    ['an element', `${STARTTLS}${auth('=')}`],
    ['a stanza', `${STARTTLS}${GOOD_MESSAGE}`],
    ['a key', `${STARTTLS}${db('result', TO_MONTAGUE, 'key')}`],
    ['starttls again', `${STARTTLS}${STARTTLS}`],
    ['the end of the stream', `${STARTTLS}${wire.close}`],
    ['what is no XML', `${STARTTLS}<<`],
    ['half an element', `${STARTTLS}<auth`],
    ['one byte of it', `${STARTTLS}<`],
    ['a new header', `${STARTTLS}${open}`],
  ])('%s behind <starttls/> in the clear counts for nothing, then or later', (_, said) => {
    const side = clear({ dialback: SECRETS.montague, starttls: 'offered' }).say(said)
    if (side.ended === undefined) side.secure().say(open)
    expect(side.ended).toMatchObject({ by: 'peer' })
    expect([side.established, side.stanzas, side.asked]).toEqual([null, [], []])
    expect(side.frames.filter(({ type }) => type === 'open').length).toBeLessThanOrEqual(2)
  })

  it('space behind it is nothing', () => {
    const side = clear().say(`${STARTTLS} \n`).secure().say(open, auth('='), open)
    expect(side.isEstablished).toBe(true)
  })

  it('COMPAT(Prosody): TLS that was not offered is refused in its own words, and the stream ends', () => {
    const side = clear({ starttls: 'never', dialback: SECRETS.montague }).say(STARTTLS)
    expect(side.transcript).toEqual(['open', 'features', 'failure', 'close'])
    expect(side.elements.at(-1)).toMatchObject({ namespace: NS.tls })
    expect(side.say(wire.close).ended).toBeNull()
  })

  it('[WS-65] TLS is asked for once, by its name, and on no stream that has it', () => {
    for (const side of [
      clear().say(STARTTLS).secure().say(open, STARTTLS),
      receiving(wire, { starttls: 'offered' }).say(open, STARTTLS),
      receiving(WEBSOCKET, { starttls: 'offered' }).say(WEBSOCKET.open(FROM_CAPULET), STARTTLS),
      receiving(WEBSOCKET, {
        policy: { secure: false, name: 'websocket' },
        peerCertificate: false,
        starttls: 'offered',
      }).say(WEBSOCKET.open(FROM_CAPULET), STARTTLS),
      clear().say(PROCEED),
      clear().say(`<failure xmlns='${NS.tls}'/>`),
    ]) {
      expect(side.errors).toEqual(['unsupported-stanza-type'])
      expect(side.outputs.filter(({ type }) => type === 'start-tls').length).toBeLessThanOrEqual(1)
    }
    const known = receiving(wire).say(open, auth('='), open, STARTTLS)
    expect(known.errors).toEqual(['unsupported-stanza-type'])
  })

  it('the end of anything between the word and TLS is the end of the transport, with nothing said', () => {
    for (const end of [
      { type: 'end', failure: null },
      { type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } },
      { type: 'close' },
    ] as const) {
      const side = clear().say(STARTTLS)
      const written = side.sent.length
      side.give(end)
      expect(side.sent).toHaveLength(written)
      expect([side.closeCode === undefined, side.ended === undefined]).toEqual([false, false])
    }
  })

  it('only TLS itself goes on there: verdicts and timers of before do not', () => {
    const side = clear({ dialback: SECRETS.montague }).say(STARTTLS)
    for (const input of [
      { type: 'identity', verdict: proven(CAPULET) },
      { type: 'timeout', timer: 'open' },
      { type: 'timeout', timer: 'negotiation' },
    ] as const)
      side.give(input)
    expect(side.state.type).toBe('awaiting-tls')
    side.secure().secure()
    expect(side.state.type).toBe('awaiting-open')
  })
})

describe('who asks for TLS', () => {
  it('[SA-04 ST-02] asks where it is offered, proves the peer, and begins anew', () => {
    const side = dialled().say(TLS_OFFERED)
    expect(side.transcript).toEqual(['open', 'starttls'])
    const asked: string[] = []
    side.verdict = claimed => {
      asked.push(claimed)
      return proven(claimed)
    }
    side.say(PROCEED)
    expect(side.transcript).toEqual(['open', 'starttls'])
    expect([...side.timers]).toEqual([])
    side.secure()
    expect(asked).toEqual([MONTAGUE])
    expect(side.transcript).toEqual(['open', 'starttls', 'open'])
    side.say(answer, EXTERNAL_OFFERED, SUCCESS, wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))
    expect(side.established?.proof).toMatchObject({ method: 'sasl-external', domain: MONTAGUE })
    expect(side.transcript).toEqual(['open', 'starttls', 'open', 'auth', 'open'])
  })

  it('[SA-17] where it is required and not offered, or refused, there is no stream', () => {
    for (const said of [DIALBACK_OFFERED, EXTERNAL_OFFERED, features('')]) {
      const side = dialled({ dialback: SECRETS.capulet }).say(said)
      expect(side.transcript).not.toContain('result')
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
    }
    const refused = dialled({ dialback: SECRETS.capulet }).say(TLS_OFFERED, `<failure xmlns='${NS.tls}'/>`)
    expect(refused.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
    // COMPAT(jabberd2): nor on a stream without features.
    const { version: _, ...old } = FROM_MONTAGUE
    const legacy = initiating(wire, {
      policy,
      peer: 'by-starttls',
      starttls: 'required',
      dialback: SECRETS.capulet,
    })
    legacy.say(wire.open({ ...old, 'xmlns:db': NS.dialback }))
    expect(legacy.transcript).not.toContain('result')
    expect(legacy.established).toBeNull()
  })

  it('[SA-17] a certificate that does not prove the peer ends it, with nothing said', () => {
    const side = dialled({ dialback: SECRETS.capulet }).say(TLS_OFFERED, PROCEED)
    const written = side.sent.length
    side.verdict = unproven
    side.secure()
    expect(side.sent).toHaveLength(written)
    expect(side.closeCode).toBeDefined()
    expect(side.ended).toMatchObject({ by: 'peer', kind: 'identity' })
    const other = dialled().say(TLS_OFFERED, PROCEED)
    other.verdict = () => proven(CAPULET)
    expect(other.secure().ended).toMatchObject({ by: 'us', kind: 'internal' })
  })

  it('[SA-17] EXTERNAL in the clear is not taken up', () => {
    const side = dialled({ starttls: 'offered', peer: 'configured-address', dialback: SECRETS.capulet })
    side.say(features(`<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`))
    expect(side.transcript).not.toContain('auth')
    expect(side.ended).toMatchObject({ kind: 'unauthenticated' })
  })

  it.each([
    ['a success', `${PROCEED}${SUCCESS}`],
    ['features', `${PROCEED}${EXTERNAL_OFFERED}`],
    [
      'an answer to a key',
      `${PROCEED}${db('result', { from: 'montague.example', to: 'capulet.example', type: 'valid' })}`,
    ],
    ['a stanza', `${PROCEED}${GOOD_MESSAGE}`],
    ['an error', `${PROCEED}<stream:error/>`],
    ['the end of the stream', `${PROCEED}${wire.close}`],
    ['half an element', `${PROCEED}<succ`],
    ['a new header', `${PROCEED}${answer}`],
  ])('%s behind <proceed/> in the clear counts for nothing, then or later', (_, said) => {
    const side = dialled({ dialback: SECRETS.capulet }).say(TLS_OFFERED, said)
    if (side.ended === undefined) side.secure().say(answer)
    expect(side.ended).toMatchObject({ by: 'peer' })
    expect([side.established, side.stanzas]).toEqual([null, []])
  })

  it('what comes in place of <proceed/> is no consent', () => {
    for (const said of [SUCCESS, STARTTLS, GOOD_MESSAGE, features(''), answer, wire.close]) {
      const side = dialled().say(TLS_OFFERED, said).give({ type: 'transport-closed', failure: null })
      expect(side.outputs.some(({ type }) => type === 'start-tls')).toBe(false)
      expect(side.ended).toMatchObject({ by: 'peer' })
    }
    const silent = dialled().say(TLS_OFFERED).give({ type: 'timeout', timer: 'negotiation' })
    expect(silent.errors).toEqual(['connection-timeout'])
  })

  it('[WS-64] over WebSocket it is not asked for, whatever is offered', () => {
    const side = initiating(WEBSOCKET, { starttls: 'offered' }).say(
      WEBSOCKET.open(FROM_MONTAGUE),
      features(`${STARTTLS}<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`),
    )
    expect(side.transcript).toEqual(['open', 'auth'])
  })
})

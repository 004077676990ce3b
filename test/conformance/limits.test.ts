import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import type { PeerLimits } from '../../src/stream/index.ts'
import { message, NS } from '../../src/xmpp/index.ts'
import { type Against, established, receivingAgainst, STEPS, say, takenAgainst } from '../kit/sessions.ts'
import {
  auth,
  CAPULET,
  EXTERNAL_OFFERED,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  ID_2,
  initiating,
  receiving,
  SECRETS,
  SUCCESS,
  WIRES,
} from '../kit/streams.ts'
import { turns } from '../kit/transport-compliance.ts'

// Stream limits (XEP-0478): said and read in features and in requests for bidi. What a sender makes of them: federation.

const limits = (content: string) => `<limits xmlns='${NS.limits}'>${content}</limits>`
const MAX = '<max-bytes>20000</max-bytes>'
const OWN = `<max-bytes xmlns='${NS.limits}'>20000</max-bytes>`
const IDLE = '<idle-seconds>1200</idle-seconds>'

const READ: readonly (readonly [string, string, PeerLimits])[] = [
  ['nothing', '', { maxBytes: null, idleSeconds: null }],
  ['neither child', limits(''), { maxBytes: null, idleSeconds: null }],
  ['one', limits(MAX), { maxBytes: 20_000, idleSeconds: null }],
  ['the other', limits(IDLE), { maxBytes: null, idleSeconds: 1_200 }],
  ['both', limits(MAX + IDLE), { maxBytes: 20_000, idleSeconds: 1_200 }],
  ['both, turned and on lines', limits(`\n${IDLE}\n${MAX}\n`), { maxBytes: 20_000, idleSeconds: 1_200 }],
  ['one beside something else', limits(`<x xmlns='urn:x'/>${MAX}`), { maxBytes: 20_000, idleSeconds: null }],
  ['what is no number', limits('<max-bytes>1e4</max-bytes><idle-seconds>-1</idle-seconds>'), NONE()],
  ['more than a number holds', limits(`<max-bytes>${'9'.repeat(400)}</max-bytes>`), NONE()],
  ['children of another namespace', limits(`<max-bytes xmlns='urn:x'>20000</max-bytes>`), NONE()],
  ['another namespace around them', `<limits xmlns='urn:x'>${OWN}</limits>`, NONE()],
  ['another namespace', `<limits xmlns='urn:x'>${MAX}</limits>`, NONE()],
]

function NONE(): PeerLimits {
  return { maxBytes: null, idleSeconds: null }
}

describe.each(WIRES)('over $name', wire => {
  const external = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`

  it.each(READ)('[LI-01] features with %s', (_, said, expected) => {
    const second = wire.open({ ...FROM_MONTAGUE, id: ID_2 })
    const side = initiating(wire).say(
      wire.open(FROM_MONTAGUE),
      EXTERNAL_OFFERED,
      SUCCESS,
      second,
      features(said),
    )
    expect(side.established?.peerLimits).toEqual(expected)
    const key = initiating(wire, { dialback: SECRETS.capulet }).say(
      wire.open(FROM_MONTAGUE),
      features(`<dialback xmlns='${NS.dialbackFeature}'/>${said}`),
      `<db:result xmlns:db='${NS.dialback}' from='montague.example' to='capulet.example' type='valid'/>`,
    )
    expect(key.established?.peerLimits).toEqual(expected)
  })

  it('[LI-01] those of the last features count: what stood in earlier ones and is not repeated is gone', () => {
    const second = wire.open({ ...FROM_MONTAGUE, id: ID_2 })
    const said = (last: string) =>
      initiating(wire).say(
        wire.open(FROM_MONTAGUE),
        features(external + limits(MAX + IDLE)),
        SUCCESS,
        second,
        features(last),
      ).established?.peerLimits
    expect(said(limits('<max-bytes>30000</max-bytes>'))).toEqual({ maxBytes: 30_000, idleSeconds: null })
    expect(said('')).toEqual(NONE())
  })

  it.each(READ)('[LI-02] a request for bidi with %s', (_, said, expected) => {
    const request = `<bidi xmlns='${NS.bidi}'>${said}</bidi>`
    const early = receiving(wire, { bidi: true }).say(wire.open(FROM_CAPULET), request)
    early.say(auth('='), wire.open(FROM_CAPULET))
    expect(early.established).toMatchObject({ bidi: true, peerLimits: expected })
    const late = receiving(wire, { bidi: true }).say(
      wire.open(FROM_CAPULET),
      auth('='),
      wire.open(FROM_CAPULET),
    )
    expect(late.established?.peerLimits).toEqual(NONE())
    expect(late.say(request).bidi?.peerLimits).toEqual(expected)
  })

  it('[LI-02] our own request says ours, in bytes and whole seconds, and none without bidi', () => {
    const asked = (bidi: boolean) =>
      initiating(wire, { bidi, limits: { stanzaBytes: 40_000, advertisedIdleMs: 1_200_999 } })
        .say(wire.open(FROM_MONTAGUE), features(`${external}<bidi xmlns='${NS.bidiFeature}'/>`))
        .sent.slice(1)
    const ours = limits('<max-bytes>40000</max-bytes><idle-seconds>1200</idle-seconds>')
    expect(asked(true)[0]).toBe(`<bidi xmlns='${NS.bidi}'>${ours}</bidi>`)
    expect(asked(false)[0]).toMatch(/^<auth /)
  })

  it('[LI-04] nobody is told of less than a quarter of an hour', () => {
    expect(defaultLimits.advertisedIdleMs).toBeGreaterThanOrEqual(900_000)
    const side = receiving(wire).say(wire.open(FROM_CAPULET), auth('='), wire.open(FROM_CAPULET))
    for (const text of side.sent.filter(text => text.includes('features')))
      expect(text).toContain('<idle-seconds>900</idle-seconds>')
  })
})

describe('sessions', () => {
  it('[LI-02 LI-03] whoever may send learns the limit of whoever takes, each way', async () => {
    const streams = await established({
      initiatingOptions: { bidi: true },
      receivingOptions: { bidi: true },
      limits: { stanzaBytes: 40_000 },
    })
    for (const { handler } of [streams.initiating, streams.receiving])
      expect(handler.standing.peerLimits.maxBytes).toBe(40_000)
  })

  it('[LI-02] and the limit that comes with a request on a stream that stands', async () => {
    const against = receivingAgainst({ receivingOptions: { bidi: true } })
    await say(against, [...STEPS.initiating, `<bidi xmlns='${NS.bidi}'>${limits(MAX)}</bidi>`])
    const { standing } = against.handler
    expect(standing).toMatchObject({ bidi: true, peerLimits: { maxBytes: 20_000 } })
    const back = message({ from: 'romeo@montague.example', to: `juliet@${CAPULET}`, body: 'no' })
    expect(standing.send(back)).toBe(true)
  })

  /** pings that the peer has heard so far */
  const heard = ({ seen }: Against) => seen.activities

  it('[LI-04] an idle stream is asked whether it lives, again and again, and not closed while it answers', async () => {
    const against = await takenAgainst()
    const before = heard(against)
    await against.clock.pass(4 * defaultLimits.advertisedIdleMs, 5_000)
    expect(heard(against) - before).toBeGreaterThan(100)
    expect(against.handler.ends).toEqual([])
  })

  it('[LI-04] before an idle stream is ended it was asked, and did not answer', async () => {
    const against = await takenAgainst()
    await against.clock.pass(defaultLimits.advertisedIdleMs, 5_000)
    const before = heard(against)
    let asked = 0
    const ping = against.transport.ping.bind(against.transport)
    against.transport.ping = id => {
      asked += 1
      return ping(id)
    }
    against.peer.pause()
    await against.clock.pass(defaultLimits.deadMs + 1, 500)
    await turns()
    expect(asked).toBeGreaterThanOrEqual(2)
    expect(heard(against) - before).toBe(0)
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
  })
})

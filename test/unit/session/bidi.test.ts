import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { dialbackSecret } from '../../../src/stream/index.ts'
import { message, NS } from '../../../src/xmpp/index.ts'
import {
  type Against,
  CAPULET,
  established,
  initiatingAgainst,
  MONTAGUE,
  numbered,
  range,
  receivingAgainst,
  type Setting,
  STEPS,
  say,
  text,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

// Stanzas both ways on one stream (XEP-0288), as its two sessions see it.

const LIMITS = `<limits xmlns='${NS.limits}'><max-bytes>20000</max-bytes></limits>`
const REQUEST = `<bidi xmlns='${NS.bidi}'>${LIMITS}</bidi>`
const ROOMS = `rooms.capulet.example`
const secret = dialbackSecret('s3cr3tf0rd14lb4ck')

const back = (id = 'b1', to = 'juliet@capulet.example') =>
  message({ from: 'romeo@montague.example', to, id, body: 'neither, fair saint' })

const both: Setting = { initiatingOptions: { bidi: true }, receivingOptions: { bidi: true } }

/** Our receiving side, with what a peer says before its stream stands. */
async function taken(before: readonly string[], setting: Setting = {}): Promise<Against> {
  const { receivingOptions } = setting
  const against = receivingAgainst({ ...setting, receivingOptions: { bidi: true, ...receivingOptions } })
  const [open, ...rest] = STEPS.initiating
  await say(against, [open, ...before, ...rest])
  return against
}

describe('both sides', () => {
  it('send, and learn that the other has read it', async () => {
    const { initiating, receiving, clock } = await established(both)
    for (const { handler } of [initiating, receiving]) expect(handler.standing.bidi).toBe(true)
    initiating.handler.standing.send(numbered(1))
    expect(receiving.handler.standing.send(back())).toBe(true)
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(initiating.handler.stanzas.map(text)).toEqual([text(back())])
    clock.pass(1_000)
    await turns()
    for (const { handler } of [initiating, receiving]) expect(handler.standing.confirmedCount()).toBe(1)
  })

  it('know each other’s limits', async () => {
    const { initiating, receiving } = await established({ ...both, limits: { stanzaBytes: 40_000 } })
    const limits = { maxBytes: 40_000, idleSeconds: 900 }
    for (const { handler } of [initiating, receiving]) expect(handler.standing.peerLimits).toEqual(limits)
  })

  it.each(['initiating', 'receiving'] as const)(
    'lose nothing when the %s side ends it in order',
    async who => {
      const streams = await established(both)
      const { initiating, receiving } = streams
      initiating.handler.standing.send(numbered(1))
      receiving.handler.standing.send(back())
      streams[who].session.end(null)
      await turns()
      expect(receiving.handler.numbers).toEqual([1])
      expect(initiating.handler.stanzas).toHaveLength(1)
      for (const { handler } of [initiating, receiving])
        expect(handler.ends).toEqual([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    },
  )

  it('what was sent back is unconfirmed where the stream dies', async () => {
    const { receiving } = await established(both)
    receiving.handler.standing.send(back())
    receiving.session.abort({ by: 'network', kind: 'closed', detail: 'cut' })
    await turns()
    expect(receiving.handler.ends[0]?.unconfirmed.map(text)).toEqual([text(back())])
  })

  it('slow a sender whose peer does not read, whoever has opened the stream, and end where it never does', async () => {
    const { initiating, receiving, clock } = await established({
      ...both,
      limits: { sendHighWaterBytes: 20_000 },
    })
    initiating.transport.pause()
    let sent = 0
    const fill = () => {
      for (;;) {
        sent += 1
        if (!receiving.handler.standing.send(back(String(sent)))) return
      }
    }
    fill()
    expect([sent > 50, receiving.handler.drains]).toEqual([true, 0])
    initiating.transport.resume()
    await turns()
    expect(receiving.handler.drains).toBe(1)
    expect(initiating.handler.numbers).toEqual(range(1, sent))
    initiating.transport.pause()
    fill()
    await clock.pass(defaultLimits.deadMs, 1_000)
    expect(receiving.handler.ends).toMatchObject([
      { failure: { by: 'network', detail: expect.stringContaining('has read nothing') } },
    ])
  })

  it.each([
    ['offered', { receivingOptions: { bidi: true } }],
    ['asked for', { initiatingOptions: { bidi: true } }],
  ] as const)('where it is only %s, stanzas go one way', async (_, setting) => {
    const { receiving } = await established(setting)
    expect(receiving.handler.standing.bidi).toBe(false)
    expect(() => receiving.handler.standing.send(back())).toThrow(TypeError)
  })
})

describe('the receiving side', () => {
  it('hears of a request that comes before the stream stands with the stream', async () => {
    const { handler } = await taken([REQUEST])
    expect([handler.standing.bidi, handler.bidis]).toEqual([true, 0])
    expect(handler.standing.peerLimits).toEqual({ maxBytes: 20_000, idleSeconds: null })
  })

  it('hears of one that comes later when it comes, and may send from then on', async () => {
    const against = await taken([])
    const { handler, seen } = against
    expect(handler.standing).toMatchObject({ bidi: false, peerLimits: { maxBytes: null } })
    expect(() => handler.standing.send(back())).toThrow(TypeError)
    handler.reactToBidi = session => session.send(back())
    await say(against, [REQUEST, REQUEST])
    expect(handler.bidis).toBe(1)
    expect(handler.standing).toMatchObject({ bidi: true, peerLimits: { maxBytes: 20_000 } })
    expect(seen.texts.at(-1)).toBe(text(back()))
  })

  it('ends its stream, and no other, where its handler fails', async () => {
    const against = await taken([])
    against.handler.reactToBidi = () => {
      throw new Error('a defect')
    }
    await say(against, [REQUEST])
    expect(against.events.at(-1)).not.toMatchObject({ reason: 'closed' })
    expect(against.seen.texts.join('')).toContain('internal-server-error')
  })

  it('sends nothing but for pairs that were proven there (BI-03)', async () => {
    const receivingOptions = {
      dialback: { secret, verify: async () => ({ type: 'valid', evidence: 'it says so' }) as const },
    }
    const against = await taken([REQUEST], { receivingOptions })
    const { handler } = against
    const toRooms = back('b2', `hall@${ROOMS}`)
    expect(handler.standing.pairs).toEqual([{ local: MONTAGUE, remote: CAPULET }])
    expect(() => handler.standing.send(toRooms)).toThrow(TypeError)
    expect(() => handler.standing.send(numbered(1))).toThrow(TypeError)
    const foreign = message({ from: 'nurse@verona.example', to: 'juliet@capulet.example', body: 'no' })
    expect(() => handler.standing.send(foreign)).toThrow(TypeError)
    await say(against, [
      `<db:result xmlns:db='${NS.dialback}' xmlns='jabber:server' from='${ROOMS}' to='montague.example'>key</db:result>`,
    ])
    expect(handler.standing.pairs).toEqual([
      { local: MONTAGUE, remote: CAPULET },
      { local: MONTAGUE, remote: ROOMS },
    ])
    expect(handler.standing.send(toRooms)).toBe(true)
  })
})

describe('the initiating side', () => {
  it('takes stanzas of its pair only, from the moment on that the stream stands', async () => {
    const against = initiatingAgainst({ initiatingOptions: { bidi: true } })
    const [open, features, ...rest] = STEPS.receiving
    const offered = features.replace(
      '</stream:features>',
      `<bidi xmlns='${NS.bidiFeature}'/></stream:features>`,
    )
    await say(against, [open, offered, ...rest, text(back()), text(numbered(1))])
    expect(against.handler.stanzas.map(text)).toEqual([text(back())])
    expect(against.handler.ends).toMatchObject([{ failure: { condition: 'invalid-from' } }])
  })
})

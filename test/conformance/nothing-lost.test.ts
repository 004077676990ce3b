import { describe, expect, it } from 'vitest'
import type { Limits } from '../../src/base/index.ts'
import { element, iq, message, presence, type Stanza } from '../../src/xmpp/index.ts'
import { type ManagedTown, ManagedTowns } from '../kit/managed-towns.ts'

// What becomes of stanzas where streams with stream management are lost: two federations, and real streams between them.

const ADDRESSES = { from: 'juliet@capulet.example', to: 'romeo@montague.example' } as const
const request = (id: string) =>
  iq({ ...ADDRESSES, id, type: 'get', payload: element('query', 'urn:example:query') })
const ids = (stanzas: readonly Stanza[]) => stanzas.map(({ id }) => id)
const text = ({ bytes }: Stanza) => Buffer.from(bytes).toString()

/** Both have met; what romeo's host is given from now on it works on until it is told that it may answer. */
async function acquainted(limits: Partial<Limits> = {}): Promise<ManagedTowns> {
  const world = new ManagedTowns(7, false, limits)
  say(world.capulet, message({ ...ADDRESSES, id: 'first', body: 'x' }))
  await world.clock.pass(1_000, 100)
  expect(ids(world.montague.delivered)).toEqual(['first'])
  world.montague.delivered.length = 0
  world.montague.isSlow = true
  return world
}

function say({ router }: ManagedTown, ...stanzas: readonly Stanza[]): void {
  for (const stanza of stanzas) void router.send(stanza)
}

it('[SM-06] nothing is acknowledged before whoever is next has taken it', async () => {
  const { capulet, montague, clock } = await acquainted()
  say(capulet, message({ ...ADDRESSES, id: '1', body: 'x' }))
  await clock.pass(10_000, 500)
  expect(ids(montague.delivered)).toEqual(['1'])
  expect(capulet.router.account()).toMatchObject({ delivered: 1, held: 1 })
  montague.open.shift()?.()
  await clock.pass(10_000, 500)
  expect(capulet.router.account()).toMatchObject({ delivered: 2, held: 0 })
})

it('[SM-08] a lost stream is resumed: what had arrived does not come again, what had not does, ahead of what is newer', async () => {
  const world = await acquainted()
  const { capulet, montague, clock } = world
  montague.isSlow = false
  say(capulet, request('1'), request('2'))
  await clock.pass(100, 100)
  say(capulet, request('3'), request('4'))
  world.cut()
  say(capulet, request('5'))
  await clock.pass(10_000, 500)
  expect(ids(montague.delivered)).toEqual(['1', '2', '3', '4', '5'])
  expect(capulet.router.account()).toMatchObject({ delivered: 6, resent: 0, inDoubt: 0, held: 0 })
})

it('[SM-08] a stream that is old goes on on the next one before it ends, whatever is under way', async () => {
  const { capulet, montague, clock } = await acquainted({ maxStreamAgeMs: 60_000 })
  say(capulet, ...['1', '2', '3'].map(id => message({ ...ADDRESSES, id, body: 'x' })))
  await clock.pass(55_000, 500)
  // The first is being worked on, and nobody has waited for that.
  expect(capulet.events.filter(({ type }) => type === 'stream:resumed')).toMatchObject([{ count: 3 }])
  expect(capulet.events.find(({ type }) => type === 'stream:ended')).toMatchObject({
    detail: 'closed in order',
  })
  montague.isSlow = false
  for (const answer of montague.open.splice(0)) answer()
  await clock.pass(10_000, 500)
  expect(ids(montague.delivered)).toEqual(['1', '2', '3'])
  expect(capulet.router.account()).toMatchObject({ delivered: 4, resent: 0, inDoubt: 0, held: 0 })
})

describe('[SM-07] a stream that is lost, and cannot be resumed', () => {
  it('[SM-07] messages, presence and answers go again, once, noted; requests and probes come back as in doubt', async () => {
    const world = await acquainted()
    const { capulet, montague, clock } = world
    const sent = [
      message({ ...ADDRESSES, id: 'message', body: 'x' }),
      presence({ ...ADDRESSES, id: 'presence' }),
      presence({ ...ADDRESSES, id: 'probe', type: 'probe' }),
      request('request'),
      message({ ...ADDRESSES, id: 'error', type: 'error' }),
    ]
    say(capulet, ...sent)
    await clock.pass(100, 100)
    // The first is being worked on.
    expect(ids(montague.delivered)).toEqual(['message'])
    world.cut()
    montague.forget()
    montague.isSlow = false
    for (const answer of montague.open.splice(0)) answer()
    // The loss is known.
    await clock.pass(1, 1)
    say(capulet, message({ ...ADDRESSES, id: 'newer', body: 'x' }))
    await clock.pass(10_000, 500)
    const again = montague.delivered.slice(-4)
    expect(ids(again)).toEqual(['message', 'presence', 'error', 'newer'])
    expect(again.map(stanza => text(stanza).includes("xmlns='urn:xmpp:delay'"))).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(ids(capulet.delivered)).toEqual(['probe', 'request'])
    for (const error of capulet.delivered) {
      expect(text(error)).toContain('<remote-server-timeout')
      expect(text(error)).toContain('it may or may not have been delivered')
    }
    expect(capulet.router.account()).toMatchObject({ resent: 3, inDoubt: 2, bounced: 0, held: 0 })
  })

  it('[SM-07] what is lost a second time is in doubt', async () => {
    const world = await acquainted()
    const { capulet, montague, clock } = world
    say(capulet, message({ ...ADDRESSES, id: '1', body: 'x' }))
    for (let loss = 0; loss < 2; loss++) {
      await clock.pass(2_000, 100)
      world.cut()
      montague.forget()
    }
    await clock.pass(10_000, 500)
    expect(ids(capulet.delivered)).toEqual(['1'])
    expect(text(capulet.delivered[0] as Stanza)).toContain('it may or may not have been delivered')
    expect(capulet.router.account()).toMatchObject({ resent: 1, inDoubt: 1, held: 0 })
  })

  it('[SM-10] it can be resumed for so long, and no longer', async () => {
    for (const [awayMs, resent] of [
      [200_000, 0],
      [400_000, 1],
    ] as const) {
      const world = await acquainted()
      const { capulet, montague, clock } = world
      say(capulet, message({ ...ADDRESSES, id: '1', body: 'x' }))
      await clock.pass(100, 100)
      world.isUp = false
      world.cut()
      await clock.pass(awayMs, 5_000)
      world.isUp = true
      montague.isSlow = false
      for (const answer of montague.open.splice(0)) answer()
      say(capulet, message({ ...ADDRESSES, id: '2', body: 'x' }))
      await clock.pass(100_000, 1_000)
      expect([awayMs, capulet.router.account().resent]).toEqual([awayMs, resent])
    }
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Client } from '../../kit/servers/client.ts'
import { buildHouse, type House, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { type Fate, settled, Talk } from './traffic.ts'

// Scenario 7: each of two servers, and of the gateways beside them, goes and comes again while two people write to each
// other, 200 messages a second each way.
//
// Whatever happens, no message comes out of order, and nobody is told that a message was not delivered which was. Where a
// gateway ends in order none comes twice. Who is killed, or a server that ends without a last word, cannot say what it had:
// that goes out once more, with a note of it, where stanzas are acknowledged (XEP-0198); where they are not, senders are told
// that it is in doubt. And whoever is killed takes along what it has read and not passed on. Either is one run of messages, at
// the moment of the end; what is missing anywhere else was lost by us.

const newStage = stages()

/** so long they write before and after */
const TALK_MS = 1_500
/** all pairs are back so long after a server of ours */
const BACK_MS = 2_000

const CONFIRMED_MS = 1_000

interface Person {
  readonly house: House
  readonly client: Client
}

/** What a gateway that ended in order says of its stanzas. */
interface Account {
  readonly accepted: number
  readonly delivered: number
  readonly bounced: number
  readonly dropped: number
  readonly inDoubt: number
  readonly resent: number
  readonly ambiguous: number
  readonly held: number
}

interface Outcome {
  /** from the user of what went away */
  readonly out: Fate
  readonly back: Fate
  /** the last that was given to the connection that ended, of the user whose server went away */
  readonly tail: number | null
  /** from its return to the first message of each direction */
  readonly backMs: number
}

const CASES = [
  { whose: 'ejabberd', end: 'stop' },
  { whose: 'ejabberd', end: 'kill' },
  { whose: 'Prosody', end: 'stop' },
  { whose: 'Prosody', end: 'kill' },
] as const

describe('7. while they write', () => {
  it.each(CASES)('the gateway beside $whose: $end', async ({ whose, end }) => {
    const [own, other] = await people(whose)
    const accounts: Account[] = []
    const outcome = await whileTheyWrite(own, other, async () => {
      const { gateway } = own.house
      if (end === 'kill') await gateway.kill()
      else accounts.push(await stopped(own.house))
      await own.house.restartGateway()
    })
    const byServer = whose === 'ejabberd' ? lostByEjabberd(outcome.out) : []
    const lost = outcome.out.lost.filter(number => !byServer.includes(number))
    const counted = { ...outcome, out: { ...outcome.out, lost } }
    if (end === 'stop')
      expect([lost, outcome.back.lost, repeated(outcome)]).toEqual([[], [], { out: [], back: [] }])
    await report(`the gateway beside ${whose}: ${end}`, counted, [own, other], accounts, byServer.length)
  })

  it.each(CASES)('$whose: $end', async ({ whose, end }) => {
    const [own, other] = await people(whose)
    const outcome = await whileTheyWrite(own, other, async talk => {
      const { server } = own.house
      if (end === 'kill') await server.kill()
      else await server.stop()
      talk.pause()
      await server.start()
    })
    const { out, back, tail, backMs } = outcome
    // What its user wrote last did not reach the server any more, or went with it.
    expect(out.lost).toEqual(out.lost.map((_, index) => (tail ?? 0) - out.lost.length + 1 + index))
    if (end === 'stop') expect(back.lost).toEqual([])
    const { lost, inDoubt } = back
    // What it had said to have read is before what is in doubt.
    if (lost.length > 0 && inDoubt.length > 0)
      expect({ next: (lost.at(-1) ?? 0) + 1, inDoubt }).toEqual({ next: inDoubt[0], inDoubt })
    expect(backMs).toBeLessThan(BACK_MS)
    await report(`${whose}: ${end}`, outcome, [own, other], [])
  })
})

function repeated({ out, back }: Outcome) {
  return { out: out.duplicates, back: back.duplicates }
}

/** The user of `whose` server, and the other one. */
async function people(whose: 'ejabberd' | 'Prosody'): Promise<[Person, Person]> {
  const stage = newStage()
  const ports = await publicPorts('capulet', 'montague')
  const init = ['--tcp-egress', 'no']
  const people: Person[] = []
  for (const options of [
    { name: 'capulet', server: 'ejabberd', users: ['juliet'], init },
    { name: 'montague', server: 'prosody', users: ['romeo'], init },
  ] as const) {
    const house = await buildHouse(stage, options, ports)
    people.push({ house, client: await stage.login(house.server, options.users[0]) })
  }
  const [juliet, romeo] = people
  if (juliet === undefined || romeo === undefined) throw new Error('two people')
  return whose === 'ejabberd' ? [juliet, romeo] : [romeo, juliet]
}

/** @param restart lets something of `own`'s go and come; its user's connection may have ended then */
async function whileTheyWrite(
  { client: own }: Person,
  { client: other }: Person,
  restart: (own: Talk) => Promise<void>,
): Promise<Outcome> {
  const out = new Talk(own, other)
  const back = new Talk(other, own)
  await sleep(TALK_MS)
  await restart(out)
  const returnMs = performance.now()
  const heard = [out.heard, back.heard]
  if (own.disconnects > 0) {
    await own.reconnect()
    out.resume()
  }
  await Promise.all([out, back].map((talk, index) => talk.hears((heard[index] ?? 0) + 1)))
  const backMs = Math.round(performance.now() - returnMs)
  await sleep(TALK_MS)
  await Promise.all([out.stop(), back.stop()])
  await settled(own, other)
  if (own.disconnects > 0) {
    // ejabberd may have put one aside while its user logged in; it comes with the next log-in.
    await own.logout()
    await own.reconnect()
    await settled(own, other)
  }
  return { out: out.fate(), back: back.fate(), tail: out.tail, backMs }
}

/**
 * While it can connect to nobody ejabberd refuses what its users write, but loses one that comes just as an attempt of its
 * own has failed: between those that it refuses, or right after the last. And one that comes just as its stream ends, right
 * before the first: on the wire it writes the one before, then its close, and that one nowhere.
 */
function lostByEjabberd({ lost, refused: [first = 0, ...others] }: Fate): number[] {
  let last = others.at(-1) ?? first
  while (lost.includes(last + 1)) last++
  return lost.filter(number => number >= first - 1 && number <= last)
}

/** What holds in every case, and the counts. Ends the gateways. */
async function report(
  title: string,
  { out, back, backMs }: Outcome,
  people: readonly Person[],
  accounts: readonly Account[],
  byServer = 0,
): Promise<void> {
  for (const { duplicates, contradicted, late, lost, delayed } of [out, back]) {
    expect({ contradicted, late }).toEqual({ contradicted: [], late: [] })
    expect(duplicates.length).toBeLessThanOrEqual(delayed)
    expect(duplicates).toEqual(duplicates.map((_, index) => (duplicates[0] ?? 0) + index))
    expect(lost).toEqual(lost.map((_, index) => (lost[0] ?? 0) + index))
  }
  // What was written last is asked about after confirm_ms.
  await sleep(CONFIRMED_MS)
  const all = [...accounts]
  for (const { house } of people) all.push(await stopped(house))
  for (const { accepted, delivered, bounced, dropped, inDoubt, ambiguous, held } of all) {
    expect(delivered + bounced + dropped + inDoubt).toBe(accepted)
    expect([ambiguous, held]).toEqual([0, 0])
  }
  // Whoever sends something again counts it.
  const resent = all.reduce((sum, account) => sum + account.resent, 0)
  expect(out.duplicates.length + back.duplicates.length).toBeLessThanOrEqual(resent)
  // Whatever is in doubt its sender has been told of.
  expect(out.inDoubt.length + back.inDoubt.length).toBe(all.reduce((sum, { inDoubt }) => sum + inDoubt, 0))
  const counts = [out, back].map(
    ({ lost, contradicted: _, duplicates, late: __, refused, inDoubt, ...rest }) => ({
      ...rest,
      duplicates: duplicates.length,
      refused: refused.length,
      inDoubt: inDoubt.length,
      lost: lost.length,
    }),
  )
  process.stdout.write(
    `7. ${title}: ${JSON.stringify({ out: { ...counts[0], byServer }, back: counts[1], backMs })}\n`,
  )
}

/** End its gateway in order. */
async function stopped({ gateway }: House): Promise<Account> {
  gateway.signal('SIGTERM')
  await gateway.ended
  const line = gateway.log().find(({ event }) => event === 'stopped')
  if (line === undefined) throw new Error('no last word')
  const count = (name: keyof Account) => Number(line[name])
  return {
    accepted: count('accepted'),
    delivered: count('delivered'),
    bounced: count('bounced'),
    dropped: count('dropped'),
    inDoubt: count('inDoubt'),
    resent: count('resent'),
    ambiguous: count('ambiguous'),
    held: count('held'),
  }
}

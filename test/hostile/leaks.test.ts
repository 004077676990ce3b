import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { message } from '../../src/xmpp/index.ts'
import { ManagedTowns } from '../kit/managed-towns.ts'

// Streams that come and go leave nothing behind: neither timers nor memory. Whole federations, real streams, memory transports.

/** ISTHMUS_CYCLES=100000 ISTHMUS_RESUMPTIONS=20000 for the whole count */
const CYCLES = Number(process.env['ISTHMUS_CYCLES'] ?? '2000')
const RESUMPTIONS = Number(process.env['ISTHMUS_RESUMPTIONS'] ?? '1000')
/** before the first measurement: code is compiled, and caches are full */
const WARM_UP = 300
/** of the heap, for each cycle: less than the smallest object would take */
const LEAK_BYTES = 100
const SLACK_BYTES = 2 * 1024 * 1024

const collect = (globalThis as { gc?: () => void }).gc

async function heapBytes(): Promise<number> {
  if (collect === undefined) throw new Error('this needs --expose-gc')
  for (let round = 0; round < 3; round++) {
    collect()
    await turn()
  }
  return process.memoryUsage().heapUsed
}

/** One stanza each way, and `end`. */
async function cycle(world: ManagedTowns, number: number, end: () => void): Promise<void> {
  const { capulet, montague } = world
  const people = { juliet: 'juliet@capulet.example', romeo: 'romeo@montague.example' }
  void capulet.router.send(message({ from: people.juliet, to: people.romeo, id: `${number}`, body: 'x' }))
  void montague.router.send(message({ from: people.romeo, to: people.juliet, id: `${number}`, body: 'x' }))
  await world.clock.pass(1_000, 250)
  end()
  for (const town of world.towns) {
    town.delivered.length = 0
    town.events.length = 0
  }
  await world.clock.pass(1_000, 250)
  // Those of streams that have ended.
  if (world.wires.length > 8) world.wires.splice(0, world.wires.length - 8)
}

async function leaks(count: number, end: (world: ManagedTowns) => void) {
  const world = new ManagedTowns(3, false)
  for (let number = 0; number < WARM_UP; number++) await cycle(world, number, () => end(world))
  const before = { timers: world.clock.pending(), bytes: await heapBytes() }
  for (let number = 0; number < count; number++) await cycle(world, number, () => end(world))
  const after = { timers: world.clock.pending(), bytes: await heapBytes() }
  return { timers: after.timers - before.timers, bytes: after.bytes - before.bytes, world }
}

const limitBytes = (count: number) => SLACK_BYTES + count * LEAK_BYTES

it('streams that end in order', { timeout: 60_000 + CYCLES * 20 }, async () => {
  const { timers, bytes } = await leaks(CYCLES, world => {
    for (const town of world.towns) for (const session of town.sessions) session.end(null)
  })
  expect(timers).toBeLessThanOrEqual(0)
  expect(bytes).toBeLessThan(limitBytes(CYCLES))
})

it('streams that are lost and resumed', { timeout: 60_000 + RESUMPTIONS * 20 }, async () => {
  let resumed = 0
  const { timers, bytes, world } = await leaks(RESUMPTIONS, world => {
    // Both have something under way when the wire breaks.
    void world.capulet.router.send(said('juliet@capulet.example', 'romeo@montague.example'))
    void world.montague.router.send(said('romeo@montague.example', 'juliet@capulet.example'))
    for (const town of world.towns)
      resumed += town.events.filter(({ type }) => type === 'stream:resumed').length
    world.cut()
  })
  expect(timers).toBeLessThanOrEqual(0)
  expect(bytes).toBeLessThan(limitBytes(RESUMPTIONS))
  expect(world.capulet.router.account()).toMatchObject({ held: 0, inDoubt: 0, resent: 0, bounced: 0 })
  expect(resumed).toBeGreaterThan(RESUMPTIONS)
})

function said(from: string, to: string) {
  return message({ from, to, id: 'lost', body: 'x' })
}

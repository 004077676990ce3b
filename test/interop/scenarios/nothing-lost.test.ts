import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createRelay, type Relay } from '../../kit/relay.ts'
import { buildHouse, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { settled, Talk } from './traffic.ts'

// Scenario 8: two gateways beside two servers, and a network between them that is cut every three seconds and lets nothing
// through for one second in ten. Two people write to each other all the while: a thousand messages each way.
//
// Everything arrives, once and in order, and nobody is told anything else.

const newStage = stages()

const FOR_MS = 120_000
const CUT_MS = 3_000
const LOSS_EVERY_MS = 10_000
const LOSS_MS = 1_000
const MESSAGES = 1_000
/** a few more than are counted: writing is not exactly on time */
const PER_SECOND = (MESSAGES / FOR_MS) * 1_000 * 1.05

it('8. the network between two gateways is cut again and again', { timeout: 300_000 }, async () => {
  const stage = newStage()
  const ports = await publicPorts('capulet', 'montague')
  const relays = await Promise.all([createRelay(), createRelay()])
  const [toCapulet, toMontague] = relays
  for (const relay of relays) stage.closes(() => relay.close())
  toCapulet.target = ports['capulet'] ?? 0
  toMontague.target = ports['montague'] ?? 0
  const init = ['--tcp-egress', 'no']
  const shared = { server: 'prosody', init } as const
  const capulet = await buildHouse(
    stage,
    { ...shared, name: 'capulet', users: ['juliet'] },
    { ...ports, montague: portOf(toMontague) },
  )
  const montague = await buildHouse(
    stage,
    { ...shared, name: 'montague', users: ['romeo'] },
    { ...ports, capulet: portOf(toCapulet) },
  )
  const juliet = await stage.login(capulet.server, 'juliet')
  const romeo = await stage.login(montague.server, 'romeo')
  await settled(juliet, romeo)

  const talks = [new Talk(juliet, romeo, PER_SECOND), new Talk(romeo, juliet, PER_SECOND)]
  const endMs = performance.now() + FOR_MS
  let cuts = 0
  let losses = 0
  let lossAtMs = performance.now() + LOSS_EVERY_MS
  while (performance.now() < endMs) {
    await sleep(CUT_MS)
    for (const relay of relays) relay.cut()
    cuts += 1
    if (performance.now() < lossAtMs) continue
    lossAtMs += LOSS_EVERY_MS
    losses += 1
    for (const relay of relays) relay.lose()
    await sleep(LOSS_MS)
    for (const relay of relays) relay.flow()
  }
  await Promise.all(talks.map(talk => talk.stop()))
  await settled(juliet, romeo)

  const fates = talks.map(talk => talk.fate())
  const summary = fates.map(({ sent, received }) => ({ sent, received }))
  const resumed = [capulet, montague].map(
    ({ gateway }) => gateway.log().filter(({ event }) => event === 'stream:resumed').length,
  )
  process.stdout.write(`8. nothing lost: ${JSON.stringify({ cuts, losses, resumed, ways: summary })}\n`)
  for (const fate of fates) {
    expect(fate.sent).toBeGreaterThanOrEqual(MESSAGES)
    expect(fate).toMatchObject({
      received: fate.sent,
      refused: [],
      duplicates: [],
      lost: [],
      late: [],
      delayed: 0,
    })
  }
  expect(cuts).toBeGreaterThan(25)
  for (const count of resumed) expect(count).toBeGreaterThan(25)
})

function portOf({ address }: Relay): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { buildHouse, type House, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { type Fate, settled, Talk } from './traffic.ts'

// Scenario 9: while one writes 200 messages a second to another, a gateway on the way is killed, again and again.
//
// What a gateway has not passed on, whoever sent it to it still has: another gateway sends it again, a server with stream
// management tells its sender, who may hear that of messages which had arrived but were not acknowledged yet. Only a server
// without it does not know. Order is asked for where no stream of Prosody's is opened anew: 0.12 writes what comes just as its
// stream is authenticated ahead of what waited for that.

const newStage = stages()

/** the fault harness has one at a time */
const KILLS = Number(process.env['ISTHMUS_KILLS'] ?? 3)
/** messages of half a second: what a server has written and not heard of yet when we are gone */
const WINDOW = 100

/** @returns what became of what juliet has written */
async function whileKilled(security: 'tls' | 'plaintext', whose: 'capulet' | 'montague'): Promise<Fate> {
  const stage = newStage()
  const ports = await publicPorts('capulet', 'montague')
  const init = ['--security', security]
  const house = (name: string, user: string): Promise<House> =>
    buildHouse(stage, { name, server: 'prosody', users: [user], init }, ports)
  const houses = { capulet: await house('capulet', 'juliet'), montague: await house('montague', 'romeo') }
  const juliet = await stage.login(houses.capulet.server, 'juliet')
  const romeo = await stage.login(houses.montague.server, 'romeo')
  await settled(juliet, romeo)
  const talk = new Talk(juliet, romeo)
  const recoveryMs: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(300 + 700 * Math.random())
    const beganMs = performance.now()
    await houses[whose].gateway.kill()
    await houses[whose].restartGateway()
    await talk.hasArrived(talk.sent + 1)
    recoveryMs.push(Math.round(performance.now() - beganMs))
  }
  await talk.stop()
  await settled(juliet, romeo)
  const fate = talk.fate()
  const { sent, received, delayed, refused, contradicted, duplicates, lost } = fate
  const counts = {
    refused: refused.length,
    contradicted: contradicted.length,
    duplicates: duplicates.length,
    lost: lost.length,
  }
  process.stdout.write(
    `9. ${whose} killed, ${security}: ${JSON.stringify({ sent, received, delayed, ...counts, recoveryMs })}\n`,
  )
  // Whatever comes twice bears a note.
  expect(duplicates.length).toBeLessThanOrEqual(delayed)
  return fate
}

it('9. the receiving gateway is killed: nothing is lost', async () => {
  const fate = await whileKilled('tls', 'montague')
  expect(fate).toMatchObject({ lost: [], contradicted: [], late: [] })
})

it('9. the sending gateway is killed, and its server has stream management: nothing is lost', async () => {
  const fate = await whileKilled('tls', 'capulet')
  expect(fate.lost).toEqual([])
  expect(fate.contradicted.length).toBeLessThanOrEqual(KILLS * WINDOW)
})

// Prosody has none on a stream that is proven by dialback.
it('9. the sending gateway is killed, and its server has none: what it was just passing on is gone', async () => {
  const fate = await whileKilled('plaintext', 'capulet')
  expect(fate.contradicted).toEqual([])
  expect(fate.lost.length).toBeLessThanOrEqual(KILLS * WINDOW)
})

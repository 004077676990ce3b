import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Command } from '../../kit/command.ts'
import { cutting, haproxy, nginx } from '../../kit/servers/fronts.ts'
import { buildHouse, type Front, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { converse, EVERYTHING } from './conversation.ts'
import { type Fate, settled, Talk } from './traffic.ts'

// Scenarios 9 and 12: both sides behind a proxy that ends TLS, as deploy/nginx and deploy/haproxy have them.

const stage = stages()

const PLAIN = ['--security', 'plaintext']

it.each<[string, () => Front, string]>([
  ['9. behind nginx', () => nginx('isthmus'), 'dialback'],
  ['9. behind HAProxy', () => haproxy('isthmus'), 'dialback'],
  ['9. behind nginx with mutual TLS', () => nginx('isthmus-mutual'), 'sasl-external'],
  ['9. behind HAProxy with mutual TLS', () => haproxy('isthmus-mutual'), 'sasl-external'],
])('%s', { timeout: 120_000 }, async (_, front, authentication) => {
  const here = stage()
  const ports = await publicPorts('capulet', 'montague')
  const house = (name: string, user: string) =>
    buildHouse(here, { name, server: 'prosody', users: [user], init: PLAIN, front: front() }, ports)
  const capulet = await house('capulet', 'juliet')
  const montague = await house('montague', 'romeo')
  const juliet = await here.login(capulet.server, 'juliet')
  const romeo = await here.login(montague.server, 'romeo')
  const done = await converse(
    { client: juliet, domain: capulet.domain, rooms: capulet.rooms },
    { client: romeo, domain: montague.domain, rooms: montague.rooms },
  )
  expect(done).toEqual(EVERYTHING)
  for (const { gateway } of [capulet, montague]) {
    const received = receivedBy(gateway)
    expect(received.length).toBeGreaterThan(0)
    for (const line of received) expect(line).toEqual({ authentication, tls: 'proxy' })
  }
  process.stdout.write(`${_}: ${JSON.stringify(done)}\n`)
})

/** streams live so long at most, the proxy's patience with silent ones is twice that, and no connection lives three times as long */
const MAX_AGE = '5s'
const LIFE_MS = 15_000
const TALK_MS = 60_000
const PER_SECOND = 50

it('12. streams follow each other before a proxy cuts them', { timeout: 180_000 }, async () => {
  const here = stage()
  const ports = await publicPorts('capulet', 'montague')
  const impatient = () =>
    nginx('isthmus', conf => {
      expect(conf).toContain('proxy_read_timeout 16m;')
      return conf.replace('proxy_read_timeout 16m;', 'proxy_read_timeout 10s;')
    })
  const toml = `[limits]\nmax_stream_age = "${MAX_AGE}"\n`
  const house = (name: string, user: string) =>
    buildHouse(
      here,
      { name, server: 'prosody', users: [user], init: PLAIN, front: cutting(LIFE_MS, impatient()), toml },
      ports,
    )
  const capulet = await house('capulet', 'juliet')
  const montague = await house('montague', 'romeo')
  const juliet = await here.login(capulet.server, 'juliet')
  const romeo = await here.login(montague.server, 'romeo')
  const talks = [new Talk(juliet, romeo, PER_SECOND), new Talk(romeo, juliet, PER_SECOND)] as const
  await sleep(TALK_MS)
  await Promise.all(talks.map(talk => talk.stop()))
  await settled(juliet, romeo)
  const fates = talks.map(talk => talk.fate())
  const streams = [capulet, montague].map(({ gateway }) => receivedBy(gateway).length)
  process.stdout.write(`12: ${JSON.stringify({ streams, fates: fates.map(summary) })}\n`)
  for (const fate of fates) {
    expect(fate.received).toBe(fate.sent)
    expect(fate).toMatchObject({ refused: [], duplicates: [], lost: [], late: [] })
  }
  // Each gateway has opened one stream after the other.
  for (const count of streams) expect(count).toBeGreaterThan(TALK_MS / 1_000 / 10)
})

function summary({ sent, received, refused, duplicates, lost, late }: Fate) {
  const [bounced, twice, gone, outOfOrder] = [refused, duplicates, lost, late].map(({ length }) => length)
  return { sent, received, bounced, twice, lost: gone, outOfOrder }
}

/** How those who came over WebSocket have proven themselves. */
function receivedBy({ out }: Command): { readonly authentication: string; readonly tls: string }[] {
  const lines = out.split('\n').filter(line => line.includes('"stream:established"'))
  return lines
    .map(line => JSON.parse(line))
    .filter(({ role, transport }) => role === 'receiving' && transport === 'websocket')
    .map(({ authentication, tls }) => ({ authentication, tls }))
}

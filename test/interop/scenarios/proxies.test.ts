import { expect, it } from 'vitest'
import type { Command } from '../../kit/command.ts'
import { haproxy, nginx } from '../../kit/servers/fronts.ts'
import { buildHouse, type Front, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { converse, EVERYTHING } from './conversation.ts'

// Scenario 9: both sides behind a proxy that ends TLS, as deploy/nginx and deploy/haproxy have them.

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

/** How those who came over WebSocket have proven themselves. */
function receivedBy({ out }: Command): { readonly authentication: string; readonly tls: string }[] {
  const lines = out.split('\n').filter(line => line.includes('"stream:established"'))
  return lines
    .map(line => JSON.parse(line))
    .filter(({ role, transport }) => role === 'receiving' && transport === 'websocket')
    .map(({ authentication, tls }) => ({ authentication, tls }))
}

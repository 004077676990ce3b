import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { endingProxy } from '../../kit/ending-proxy.ts'
import { createRelay } from '../../kit/relay.ts'
import type { Client, Shown } from '../../kit/servers/client.ts'
import { buildHouse, type House, type HouseOptions, publicPorts } from '../../kit/servers/house.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, NUMBERED, number } from './conversation.ts'

// Scenarios 10 and 11: two who cannot prove themselves to each other, and one whom nobody can dial. Prosody on both sides.

const newStage = stages()

const house = (name: string, user: string): HouseOptions => ({
  name,
  server: 'prosody',
  users: [user],
  init: ['--security', 'plaintext', '--tcp-egress', 'no'],
  // Each stream's line is looked at.
  toml: '[limits]\nlog_lines_per_second = 10_000\n',
})

/** Start the gateway again with its configuration changed. */
async function reconfigure(house: House, change: (toml: string) => string): Promise<void> {
  const file = join(house.folder, 'isthmus.toml')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
  house.gateway.signal('SIGTERM')
  await house.gateway.ended
  await house.restartGateway()
}

/** Streams to other gateways, as this one tells of them. */
function streamsOf({ gateway }: House): readonly Record<string, unknown>[] {
  return gateway
    .log()
    .filter(({ event, transport }) => event === 'stream:established' && transport === 'websocket')
}

/** Write to somebody; the error that comes back. */
async function refused(writer: Client, to: string): Promise<Shown> {
  const id = await writer.send(to, 'what light through yonder window breaks')
  const { error } = await writer.receives({ id, type: 'error' }, 25_000)
  if (error === undefined) throw new Error('an error that says nothing')
  return error
}

it('10. one takes certificates only, the other has none: both users are told why', {
  timeout: 120_000,
}, async () => {
  const here = newStage()
  // Capulet's host ends TLS: what comes to its gateway has no certificate, and it has none itself.
  const proxy = await endingProxy(here.issue('capulet.example'), () => [
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Proto', 'https'],
  ])
  here.closes(() => proxy.close())
  const [behind = 0] = await takePorts(1)
  const ports = await publicPorts('montague')
  const capulet = await buildHouse(here, house('capulet', 'juliet'), { ...ports, capulet: behind })
  await reconfigure(capulet, toml =>
    toml
      .replace(/^\[\[listen\]\]$/m, '$&\ntls = false\ntrusted_proxies = ["127.0.0.1/32"]')
      .replace(/^(?:certificate|key) = .*\n/gm, ''),
  )
  proxy.target = behind
  const montague = await buildHouse(here, house('montague', 'romeo'), { ...ports, capulet: proxy.port })
  await reconfigure(montague, toml => `dialback = "off"\n${toml}`)
  const juliet = await here.login(capulet.server, 'juliet')
  const romeo = await here.login(montague.server, 'romeo')

  const late = { type: 'wait', condition: 'remote-server-timeout' }
  expect(await refused(juliet, romeo.bare)).toEqual({
    ...late,
    from: romeo.bare,
    text: 'montague.example: the peer ended the stream with policy-violation: no certificate was presented',
  })
  expect(await refused(romeo, juliet.bare)).toEqual({
    ...late,
    from: juliet.bare,
    text: 'capulet.example: authentication failed: the peer offers no SASL EXTERNAL, only dialback, which is off here',
  })
  expect([capulet, montague].map(streamsOf)).toEqual([[], []])
})

it('11. nobody can dial one of them: what is for it comes on the stream that it opened, and again after a cut', {
  timeout: 120_000,
}, async () => {
  const here = newStage()
  const relay = await createRelay()
  here.closes(() => relay.close())
  const ports = await publicPorts('capulet', 'montague')
  const capulet = await buildHouse(here, house('capulet', 'juliet'), {
    ...ports,
    montague: Number(relay.address.split(':')[1]),
  })
  await reconfigure(capulet, toml =>
    toml
      .replace(/^\[\[listen\]\]\n(?:address|client_certificates) = .*\n/gm, '')
      .replace(/^url = .*$/m, 'reachable = false'),
  )
  const montague = await buildHouse(here, house('montague', 'romeo'), ports)
  relay.target = montague.port
  const juliet = await here.login(capulet.server, 'juliet')
  const romeo = await here.login(montague.server, 'romeo')
  const sides = [
    { client: juliet, domain: capulet.domain, rooms: capulet.rooms },
    { client: romeo, domain: montague.domain, rooms: montague.rooms },
  ] as const
  // Nobody has come yet, and nobody is there.
  expect(await refused(romeo, juliet.bare)).toMatchObject({ text: 'capulet.example: connection refused' })
  await chat(...sides)
  expect(await number(...sides)).toBe(2 * NUMBERED)
  // Montague has opened none, and the one that there is carries both.
  expect(streamsOf(montague).map(({ role, authentication }) => [role, authentication])).toEqual([
    ['receiving', 'sasl-external'],
  ])
  expect(relay.open).toBe(1)

  relay.cut()
  await montague.gateway.sees(() => (streamsOf(montague).length === 2 ? true : undefined))
  // Montague speaks first, and cannot dial.
  const id = await romeo.send(juliet.bare, 'call me but love')
  expect(await juliet.receives({ id })).toMatchObject({ body: 'call me but love' })
  expect(relay.open).toBe(1)
})

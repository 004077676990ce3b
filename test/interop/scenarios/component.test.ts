import { beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../kit/servers/client.ts'
import { buildComponentHouse, type ComponentHouse } from '../../kit/servers/component-house.ts'
import { buildHouse, type House, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, NUMBERED, number, type Side } from './conversation.ts'

// Scenario 3: a component with no server (slixmpp's ComponentXMPP), and a user of a Prosody.

const newStage = stages()

let bots: ComponentHouse
let capulet: House
let bot: Client
let juliet: Client

async function build(second?: 'replace'): Promise<void> {
  const stage = newStage()
  const ports = await publicPorts('bot', 'capulet')
  bots = await buildComponentHouse(stage, { name: 'bot', ...(second && { second }) }, ports)
  const options = { name: 'capulet', server: 'prosody', users: ['juliet'] } as const
  capulet = await buildHouse(stage, { ...options, init: ['--security', 'plaintext'] }, ports)
  bot = await bots.connect()
  juliet = await stage.login(capulet.server, 'juliet')
}

/** Each asks for the other's presence, gets it, and sees it change. */
async function befriend(nurse: string): Promise<number> {
  await juliet.presence({ to: nurse, type: 'subscribe' })
  await bot.sees({ from: juliet.bare, to: nurse, type: 'subscribe' })
  await bot.presence({ to: juliet.bare, type: 'subscribed', sender: nurse })
  await juliet.sees({ from: nurse, type: 'subscribed' })
  await bot.presence({ to: juliet.bare, show: 'dnd', sender: `${nurse}/bot` })
  await juliet.sees({ from: `${nurse}/bot`, show: 'dnd' })

  await bot.presence({ to: juliet.bare, type: 'subscribe', sender: nurse })
  await juliet.sees({ from: nurse, type: 'subscribe' })
  await juliet.presence({ to: nurse, type: 'subscribed' })
  await bot.sees({ from: juliet.bare, to: nurse, type: 'subscribed' })
  await bot.sees({ from: juliet.jid, to: nurse, type: '' })
  await juliet.presence({ show: 'away' })
  await bot.sees({ from: juliet.jid, to: nurse, show: 'away' })
  expect(await juliet.roster()).toMatchObject({ [nurse]: 'both' })
  return 2
}

/** What each is, as the other learns it. */
async function discover(): Promise<number> {
  const server = await bot.discoInfo(capulet.domain)
  expect(server.identities).toContainEqual(['server', 'im'])
  expect(await bot.discoItems(capulet.domain)).toContain(capulet.rooms)
  const component = await juliet.discoInfo(bots.domain)
  expect(component.features).toContain('urn:xmpp:ping')
  return 3
}

async function ping(): Promise<number> {
  await juliet.ping(bots.domain)
  await bot.ping(capulet.domain)
  await bot.ping(juliet.jid)
  return 3
}

describe('3. a component with no server and Prosody', () => {
  beforeEach(() => build())

  it('talk', async () => {
    const a: Side = { client: bot, domain: bots.domain, rooms: '' }
    const b: Side = { client: juliet, domain: capulet.domain, rooms: capulet.rooms }
    const done = {
      messages: (await chat(a, b)) + (await chat(b, a)),
      subscriptions: await befriend(`nurse@${bots.domain}`),
      discos: await discover(),
      pings: await ping(),
      numbered: await number(a, b),
    }
    expect(done).toEqual({ messages: 6, subscriptions: 2, discos: 3, pings: 3, numbered: 2 * NUMBERED })
    process.stdout.write(`3. a component with no server and Prosody: ${JSON.stringify(done)}\n`)
  })

  it('a user learns that the component is away, and hears it when it is back', async () => {
    await juliet.ping(bots.domain)
    await bot.logout()
    await bots.gateway.logs({ event: 'stream:ended', local: bots.domain, remote: bots.domain })
    const id = await juliet.send(`nurse@${bots.domain}`, 'are you there?')
    expect(await juliet.receives({ id, type: 'error' })).toMatchObject({
      from: `nurse@${bots.domain}`,
      error: {
        type: 'wait',
        condition: 'remote-server-timeout',
        text: `${bots.domain}: the component behind this name is not connected`,
      },
    })
    await expect(juliet.ping(bots.domain)).rejects.toMatchObject({
      shown: { condition: 'remote-server-timeout', from: bots.domain },
    })
    await bot.reconnect()
    await juliet.send(`nurse@${bots.domain}`, 'and now?')
    await bot.receives({ body: 'and now?' })
    await bot.send(juliet.jid, 'yes', { sender: `nurse@${bots.domain}` })
    await juliet.receives({ from: `nurse@${bots.domain}`, body: 'yes' })
    expect(bot.messages.map(({ body }) => body)).toEqual(['and now?'])
  })

  it('a second connection for the name is refused', async () => {
    await expect(bots.connect()).rejects.toThrow('conflict')
    await juliet.ping(bots.domain)
    expect(bot.disconnects).toBe(0)
  })
})

it('3. a second connection for the name takes its place where the configuration says so', async () => {
  await build('replace')
  const other = await bots.connect()
  await bot.disconnected()
  await juliet.send(bots.domain, 'who is it?')
  await other.receives({ body: 'who is it?' })
  expect(bot.messages).toEqual([])
})

import { beforeEach, describe, expect, it } from 'vitest'
import { type Client, Refused } from '../kit/servers/client.ts'
import { inetrc, type Names, unboundForward } from '../kit/servers/names.ts'
import { accepts, leftovers } from '../kit/servers/process.ts'
import { PROSODY_13, type ProsodyOptions } from '../kit/servers/prosody.ts'
import type { Server } from '../kit/servers/server.ts'
import { type Stage, stages } from '../kit/servers/stage.ts'
import { converse, EVERYTHING } from './scenarios/conversation.ts'

// The kit itself, without Isthmus: real servers over plain TCP. What fails here is not the gateway's fault.

const USERS: Readonly<Record<string, string>> = { 'capulet.example': 'juliet', 'montague.example': 'romeo' }

const newStage = stages()
let stage: Stage
let names: Names
beforeEach(async () => {
  stage = newStage()
  names = await stage.names()
})

type Start = (domain: string) => Promise<Server>

const prosodyWith =
  (more: Partial<ProsodyOptions>): Start =>
  async domain => {
    const lines = [
      's2s_require_encryption = false',
      's2s_secure_auth = false',
      'limits = { s2sin = { rate = "100mb/s" } }',
      unboundForward(names),
    ]
    // Prosody offers TLS to others whether it has a certificate or not.
    const certificate = stage.issue(domain)
    const users = [userOf(domain)]
    return known(await stage.prosody({ domain, users, certificate, fragment: lines.join('\n'), ...more }))
  }
const prosody = prosodyWith({})
const prosody13 = prosodyWith({ program: PROSODY_13 })

const ejabberd: Start = async domain => {
  const lines = ['s2s_use_starttls: false', 's2s_max_retry_delay: 1', 'modules:', '  mod_s2s_dialback: {}']
  const users = [userOf(domain)]
  return known(await stage.ejabberd({ domain, users, fragment: lines.join('\n'), inetrc: inetrc(names) }))
}

function known(server: Server): Server {
  names.at[server.domain] = server.ports.s2s
  return server
}

function userOf(domain: string): string {
  return USERS[domain] ?? 'nobody'
}

const login = (server: Server): Promise<Client> => stage.login(server, userOf(server.domain))

describe('two servers', () => {
  it.each([
    ['Prosody and Prosody', prosody, prosody],
    ['Prosody and ejabberd', prosody, ejabberd],
    ['Prosody 13 and Prosody', prosody13, prosody],
  ] as const)('%s have the whole conversation, and leave nothing behind', async (_, one, other) => {
    const servers = [await one('capulet.example'), await other('montague.example')] as const
    const [capulet, montague] = servers
    const juliet = { client: await login(capulet), ...capulet }
    const romeo = { client: await login(montague), ...montague }
    expect(await converse(juliet, romeo)).toEqual(EVERYTHING)
    for (const { folder } of servers) expect(leftovers(folder)).not.toEqual([])
    await stage.close()
    expect(leftovers(stage.folder)).toEqual([])
    const ports = servers.flatMap(server => Object.values(server.ports))
    expect(await Promise.all(ports.map(accepts))).toEqual(ports.map(() => false))
  })
})

describe.each([
  ['Prosody', prosody],
  ['ejabberd', ejabberd],
] as const)('%s', (kind, start) => {
  it('starts again where it was, after an orderly end and after an abrupt one', async () => {
    const server = await start('capulet.example')
    const juliet = await login(server)
    for (const end of ['stop', 'kill'] as const) {
      const { pid } = server
      const ended = juliet.disconnected(juliet.disconnects)
      await server[end]()
      await ended
      expect(server.isRunning).toBe(false)
      expect(await accepts(server.ports.c2s)).toBe(false)
      await server.start()
      expect(server.pid).not.toBe(pid)
      await juliet.reconnect()
      await juliet.ping(server.domain)
    }
  })

  it('a user sees what became of a stanza', async () => {
    const juliet = await login(await start('capulet.example'))
    const id = await juliet.send('nobody@unknown.example', 'is anybody there?')
    const condition = 'remote-server-not-found'
    expect(await juliet.receives({ id, type: 'error' })).toMatchObject({
      from: 'nobody@unknown.example',
      error: { condition, type: expect.any(String), text: expect.any(String) },
    })
    await expect(juliet.ping('unknown.example')).rejects.toMatchObject({
      shown: { condition, from: 'unknown.example' },
    })
    await expect(juliet.ping('unknown.example')).rejects.toBeInstanceOf(Refused)
  })

  it('one that cannot start says why', async () => {
    const fragment = kind === 'Prosody' ? 'no configuration' : 'no_such_option: true'
    const made =
      kind === 'Prosody'
        ? stage.prosody({ domain: 'capulet.example', fragment })
        : stage.ejabberd({ domain: 'capulet.example', fragment })
    await expect(made).rejects.toThrow(kind === 'Prosody' ? 'prosody.cfg.lua' : 'no_such_option')
    expect(leftovers(stage.folder)).toEqual([])
  })
})

it('a wrong password, and a port where nobody listens', async () => {
  const server = await prosody('capulet.example')
  await expect(stage.login(server, 'tybalt')).rejects.toThrow('not authenticated')
  await server.stop()
  await expect(login(server)).rejects.toThrow('not connected')
})

it('a component answers and talks', async () => {
  const server = await prosodyWith({ hosts: 'Component "bot.capulet.example"\ncomponent_secret = "secret"' })(
    'capulet.example',
  )
  await expect(stage.component('bot.capulet.example', 'wrong', server.ports.component)).rejects.toThrow()
  const bot = await stage.component('bot.capulet.example', 'secret', server.ports.component)
  const juliet = await login(server)
  await juliet.ping('bot.capulet.example')
  await bot.ping('capulet.example')
  await juliet.send('echo@bot.capulet.example', 'hello')
  await bot.receives({ from: juliet.jid, to: 'echo@bot.capulet.example', body: 'hello' })
  await bot.send(juliet.jid, 'hello yourself', { sender: 'echo@bot.capulet.example' })
  await juliet.receives({ from: 'echo@bot.capulet.example', body: 'hello yourself' })
})

it('a burst: what is missing, what came twice, what came too late', async () => {
  const juliet = await login(await prosody('capulet.example'))
  for (const number of [1, 2, 4, 3, 3]) await juliet.send(juliet.jid, `number ${number}`)
  await juliet.collect('number', 4)
  await juliet.receives({ id: await juliet.send(juliet.jid, 'that was all') })
  expect(juliet.collected('number', 4)).toEqual({
    numbers: [1, 2, 4, 3, 3],
    missing: [],
    duplicates: [3],
    isInOrder: false,
  })
  expect(juliet.collected('number', 5).missing).toEqual([5])
  await juliet.burst({ to: juliet.jid, count: 3, label: 'paced', perSecond: 100 })
  expect(await juliet.collect('paced', 3)).toMatchObject({ numbers: [1, 2, 3], isInOrder: true })
})

import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { buildHouse, type House, type HouseOptions, publicPorts } from '../../kit/servers/house.ts'
import { unboundForward } from '../../kit/servers/names.ts'
import { PROSODY_13 } from '../../kit/servers/prosody.ts'
import type { Server } from '../../kit/servers/server.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'
import { chat, converse, EVERYTHING, ping, type Side } from './conversation.ts'

// Scenario 5: the ways in which a server's outgoing streams come to the gateway, and what stays on TCP.

const CONTRIB = fileURLToPath(new URL('../../../contrib/prosody', import.meta.url))

const newStage = stages()

const CAPULET = { name: 'capulet', users: ['juliet'] }
const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

type Way = Omit<HouseOptions, 'name' | 'users'>
const MODULE = { server: 'prosody', program: PROSODY_13, lines: `plugin_paths = { "${CONTRIB}" }` } as const

/** What a house's gateway was asked about a domain and answered; null: there is no responder. */
function steered({ gateway }: House, domain: string): boolean | null {
  const log = gateway.log()
  if (!log.some(({ event }) => event === 'steering:listening')) return null
  const answers = log.filter(line => line['event'] === 'steering:decided' && line['domain'] === domain)
  const [answer] = new Set(answers.map(line => line['steered'] === true))
  if (answer === undefined) throw new Error(`nobody asked for ${domain}`)
  return answer
}

/** Whether any stream of a house's gateway had to do with a domain. */
function carried({ gateway }: House, domain: string): boolean {
  return gateway.log().some(line => line['event'] === 'stream:established' && line['remote'] === domain)
}

async function sideOf(stage: Stage, { domain, rooms, server }: House, user: string): Promise<Side> {
  return { client: await stage.login(server, user), domain, rooms }
}

describe('5. what brings the streams of', () => {
  it.each<[string, Way, boolean | null]>([
    ['Prosody: its local zone', { server: 'prosody', init: ['--tcp-egress', 'no'] }, null],
    [
      'Prosody: our DNS responder',
      { server: 'prosody', init: ['--tcp-egress', 'no', '--steering', 'dns'] },
      true,
    ],
    ['ejabberd: our DNS responder', { server: 'ejabberd', init: ['--tcp-egress', 'no'] }, true],
    [
      'Prosody 13: mod_s2s_isthmus, all domains',
      { ...MODULE, init: ['--tcp-egress', 'no', '--steering', 'module'] },
      null,
    ],
    [
      'Prosody 13: mod_s2s_isthmus, those listed',
      {
        ...MODULE,
        init: ['--steering', 'module', '--remote', 'montague.example', '--remote', 'rooms.montague.example'],
      },
      null,
    ],
  ])('%s', { timeout: 120_000 }, async (name, way, answered) => {
    const stage = newStage()
    const ports = await publicPorts('capulet', 'montague')
    const capulet = await buildHouse(stage, { ...CAPULET, ...way }, ports)
    const montague = await buildHouse(stage, MONTAGUE, ports)
    const done = await converse(
      await sideOf(stage, capulet, 'juliet'),
      await sideOf(stage, montague, 'romeo'),
    )
    expect(done).toEqual(EVERYTHING)
    expect(steered(capulet, 'montague.example')).toBe(answered)
    process.stdout.write(`5. ${name}: ${JSON.stringify(done)}\n`)
  })
})

describe('5. websocket-only: a domain on plain TCP is reached directly, one on WebSocket through the gateway', () => {
  it.each<[string, Way, boolean | null]>([
    ['Prosody', { server: 'prosody', init: ['--tcp-egress', 'yes'] }, false],
    ['ejabberd', { server: 'ejabberd', init: ['--tcp-egress', 'yes'] }, false],
    [
      'Prosody 13 with mod_s2s_isthmus',
      { ...MODULE, init: ['--steering', 'module', '--remote', 'montague.example'] },
      null,
    ],
  ])('%s', { timeout: 120_000 }, async (name, way, answered) => {
    const stage = newStage()
    const names = await stage.names()
    // Nobody is at the port that mantua.example has for the web.
    const ports = await publicPorts('capulet', 'montague', 'mantua')
    const lines = `${way.lines ?? ''}\n${answered === null ? unboundForward(names) : ''}`
    const capulet = await buildHouse(stage, { ...CAPULET, ...way, lines, upstream: names.port }, ports)
    const montague = await buildHouse(stage, MONTAGUE, ports)
    const mantua = await plainProsody(stage, names)
    names.at[capulet.domain] = capulet.server.ports.s2s
    names.at[mantua.domain] = mantua.ports.s2s

    const juliet = await sideOf(stage, capulet, 'juliet')
    const romeo = await sideOf(stage, montague, 'romeo')
    const { domain, rooms } = mantua
    const apothecary = { client: await stage.login(mantua, 'apothecary'), domain, rooms }
    const done = {
      messagesOverTcp: (await chat(juliet, apothecary)) + (await chat(apothecary, juliet)),
      pingsOverTcp: (await ping(juliet, apothecary)) + (await ping(apothecary, juliet)),
      messagesOverWebSocket: (await chat(juliet, romeo)) + (await chat(romeo, juliet)),
      pingsOverWebSocket: (await ping(juliet, romeo)) + (await ping(romeo, juliet)),
    }
    expect(done).toEqual({
      messagesOverTcp: 6,
      pingsOverTcp: 4,
      messagesOverWebSocket: 6,
      pingsOverWebSocket: 4,
    })
    expect(carried(capulet, montague.domain)).toBe(true)
    expect(carried(capulet, mantua.domain)).toBe(false)
    expect(steered(capulet, mantua.domain)).toBe(answered)
    expect(steered(capulet, montague.domain)).toBe(answered === null ? null : true)
    process.stdout.write(`5. websocket-only, ${name}: ${JSON.stringify(done)}\n`)
  })
})

/** A strict server that has never heard of WebSocket. */
function plainProsody(stage: Stage, names: { readonly port: number }): Promise<Server> {
  const lines = [
    `ssl = { cafile = "${stage.path('ca.pem')}" }`,
    's2s_require_encryption = true',
    's2s_secure_auth = true',
    unboundForward(names),
  ]
  const domain = 'mantua.example'
  const certificate = stage.issue(domain)
  return stage.prosody({ domain, users: ['apothecary'], certificate, fragment: lines.join('\n') })
}

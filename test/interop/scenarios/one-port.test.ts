import { chmodSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { buildImage, Container } from '../../kit/machine/container.ts'
import { carry, carryThere, Machine } from '../../kit/machine/machine.ts'
import { startPlatform } from '../../kit/platform.ts'
import { buildHouse, network, publicPorts } from '../../kit/servers/house.ts'
import { passwordOf } from '../../kit/servers/server.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, ping } from './conversation.ts'

// deploy/one-port: built and started as a platform would, with no engine, behind a proxy that terminates TLS. The gateway has
// no certificate at all: what it says of itself is proven by dialback.

const newStage = stages()

const DOMAIN = 'capulet.example'
const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

/** where the machine finds montague.example */
const MONTAGUE_THERE = 9443
/** after so long the platform cuts a user's connection on which nothing moves; a real one: 55 s, and Prosody asks after 45 */
const IDLE_MS = 5_000
/** as platforms give it */
const PORT = 8080
const KIT = '/usr/local/lib/isthmus'

it('one-port: both run or neither, and the data survives', { timeout: 300_000 }, async () => {
  const stage = newStage()
  chmodSync(stage.folder, 0o755)
  const { capulet: port = 0, ...others } = await publicPorts('capulet', 'montague')
  const montague = await buildHouse(stage, MONTAGUE, { capulet: port, ...others })
  const machine = Machine.start(stage, { name: 'machine' })
  const socket = (name: string) => stage.path(`machine/${name}.sock`)
  await carryThere(machine, [
    { from: socket('public'), to: PORT },
    { from: MONTAGUE_THERE, to: socket('out') },
  ])
  carry(stage, [{ from: socket('out'), to: montague.port }])
  await startPlatform(stage, {
    port,
    to: socket('public'),
    certificate: stage.issue(DOMAIN),
    idleMs: path => (path === '/xmpp-websocket' ? IDLE_MS : 0),
  })

  // All else is the kit's.
  const kit = (name: string) => readFileSync(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8')
  const here = network('capulet', { montague: MONTAGUE_THERE }).replace('ca.pem', stage.path('ca.pem'))
  const toml = stage.write('one-port.toml', `${kit('one-port/isthmus.toml')}${here}`)
  const lua = stage.write(
    'kit.cfg.lua',
    kit('prosody.cfg.lua').replace('read_timeout = 45', 'read_timeout = 1'),
  )
  const image = await buildImage(machine, 'deploy/one-port/Containerfile')
  const environment = {
    PORT: `${PORT}`,
    DOMAIN,
    PUBLIC_HOST: `${DOMAIN}:${port}`,
    DIALBACK_SECRET: 'the secret of this test',
    DATA: stage.path('machine/data'),
    FIRST_USER: 'juliet',
    FIRST_PASSWORD: passwordOf('juliet'),
  }
  const start = async (name: string): Promise<Container> => {
    const container = await Container.start(machine, image, {
      name,
      environment,
      mounts: { [toml]: `${KIT}/isthmus.toml`, [lua]: `${KIT}/prosody.cfg.lua` },
    })
    await machine.says(`${name}.log`, '"msg":"admin socket"')
    await machine.says(`${name}.log`, "Activated service 's2s' on")
    return container
  }

  // -- it works
  const first = await start('first')
  expect(await first.runs()).toBe(0)
  const memory = await residentMegabytes(machine)
  expect(memory.map(({ user }) => user)).toEqual(['prosody', 'prosody'])
  const romeo = { client: await stage.login(montague.server, 'romeo'), ...montague }
  const talk = async (silentMs = 0) => {
    const juliet = { client: await stage.browse(DOMAIN, 'juliet', port), domain: DOMAIN, rooms: '' }
    await sleep(silentMs)
    expect(juliet.client.disconnects).toBe(0)
    const messages = (await chat(juliet, romeo)) + (await chat(romeo, juliet))
    return { messages, pings: await ping(juliet, romeo) }
  }
  expect(await talk(IDLE_MS + 2_000)).toEqual({ messages: 6, pings: 2 })
  expect(proofs(first.log())).toEqual(['initiating dialback', 'receiving dialback'])

  // -- SIGTERM reaches both, the gateway first
  const { code, tookMs } = await first.stop()
  expect(code).toBe(0)
  const log = first.log()
  expect(log.indexOf('draining')).toBeGreaterThan(0)
  expect(log.indexOf('Shutting down')).toBeGreaterThan(log.indexOf('draining'))
  expect(await residentMegabytes(machine)).toEqual([])

  // -- the account is still there; where one ends, all end, and the platform sees a failure
  for (const [name, victim] of [
    ['second', 'prosody'],
    ['third', 'isthmus'],
  ] as const) {
    const again = await start(name)
    expect(again.log()).toContain('already exists')
    if (name === 'second') expect(await talk()).toEqual({ messages: 6, pings: 2 })
    await machine.run(`kill -KILL ${(await pids(machine))[victim]}`)
    expect(await again.ended()).toBe(137)
    expect(again.log()).toContain(`start: ${victim} ended by itself`)
    expect(await residentMegabytes(machine)).toEqual([])
  }

  // -- what is missing is said
  const { DOMAIN: _, ...without } = environment
  const failed = await Container.start(machine, image, { name: 'failed', environment: without })
  expect(await failed.ended()).toBe(64)
  expect(failed.log()).toContain('DOMAIN is not set')
  process.stdout.write(`one-port: ${JSON.stringify({ memory, stopMs: Math.round(tookMs) })}\n`)
})

/** How streams over WebSocket were proven: we have no certificate, and none of a peer comes through the platform. */
function proofs(log: string): string[] {
  const lines = log.split('\n').filter(line => line.startsWith('{') && line.includes('stream:established'))
  const established = lines.map(line => JSON.parse(line)).filter(({ transport }) => transport === 'websocket')
  return [...new Set(established.map(({ role, authentication }) => `${role} ${authentication}`))].sort()
}

async function pids(machine: Machine): Promise<Readonly<Record<'prosody' | 'isthmus', string>>> {
  const words = await machine.run(`pgrep -f 'cfg.lua -F$'\npgrep -f 'isthmus serve'`)
  const [prosody = '', isthmus = ''] = [...words.matchAll(/^(\d+)$/gm)].map(([pid]) => pid)
  return { prosody, isthmus }
}

interface Resident {
  readonly program: string
  readonly user: string
  readonly megabytes: number
}

/** Of whatever the kit has running. */
async function residentMegabytes(machine: Machine): Promise<Resident[]> {
  const words = await machine.run('ps -e -o rss=,user=,args=')
  return [...words.matchAll(/^ *(\d+) (\S+) +(.*)$/gm)].flatMap(([, kilobytes, user = '', args = '']) => {
    const program = /cfg\.lua -F$/.test(args) ? 'prosody' : /isthmus serve/.test(args) ? 'isthmus' : null
    return program === null ? [] : [{ program, user, megabytes: Math.round(Number(kilobytes) / 1024) }]
  })
}

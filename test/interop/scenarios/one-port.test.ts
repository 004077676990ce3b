import { chmodSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { buildImage, Container } from '../../kit/machine/container.ts'
import type { Image } from '../../kit/machine/containerfile.ts'
import { carry, carryThere, Machine } from '../../kit/machine/machine.ts'
import { startPlatform } from '../../kit/platform.ts'
import { buildHouse, type House, network, publicPorts } from '../../kit/servers/house.ts'
import { passwordOf } from '../../kit/servers/server.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'
import { chat, ping, type Side } from './conversation.ts'

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
  const world = await prepare(stage)
  const { machine } = world

  const first = await start(world, 'first')
  expect(await first.runs()).toBe(0)
  const memory = await residents(machine)
  expect(memory.map(({ user }) => user)).toEqual(['prosody', 'prosody'])
  const romeo = { client: await stage.login(world.montague.server, 'romeo'), ...world.montague }
  expect(await talk(world, romeo, IDLE_MS + 2_000)).toEqual({ messages: 6, pings: 2 })
  expect(proofs(first.log())).toEqual(['initiating dialback', 'receiving dialback'])

  // SIGTERM reaches both, the gateway first.
  const { code, tookMs } = await first.stop()
  expect(code).toBe(0)
  const log = first.log()
  expect(log.indexOf('draining')).toBeGreaterThan(0)
  expect(log.indexOf('Shutting down')).toBeGreaterThan(log.indexOf('draining'))
  expect(await residents(machine)).toEqual([])

  // The account is still there. Where one ends, both end, and the platform sees a failure.
  for (const [name, victim] of [
    ['second', 'prosody'],
    ['third', 'isthmus'],
  ] as const) {
    const again = await start(world, name)
    expect(again.log()).toContain('already exists')
    expect(await talk(world, romeo)).toEqual({ messages: 6, pings: 2 })
    await machine.run(
      `kill -KILL ${(await residents(machine)).find(({ program }) => program === victim)?.pid}`,
    )
    expect(await again.ended()).toBe(137)
    expect(again.log()).toContain(`start: ${victim} ended by itself`)
    expect(await residents(machine)).toEqual([])
  }
  const figures = memory.map(({ program, megabytes }) => ({ program, megabytes }))
  process.stdout.write(`one-port: ${JSON.stringify({ memory: figures, stopMs: Math.round(tookMs) })}\n`)
})

it('one-port: as a user that the machine does not know, and with something missing', {
  timeout: 300_000,
}, async () => {
  const world = await prepare(newStage())
  const { machine, environment } = world

  // A platform may not start anything as root.
  const nobody = '54321'
  await machine.run(`install -d -o ${nobody} -g ${nobody} ${environment['DATA']}`)
  const container = await start(world, 'nobody', { user: `${nobody}:${nobody}` })
  expect((await residents(machine)).map(({ user }) => user)).toEqual([nobody, nobody])
  expect((await container.stop()).code).toBe(0)

  const { DOMAIN: _, ...without } = environment
  const failed = await Container.start(machine, world.image, { name: 'failed', environment: without })
  expect(await failed.ended()).toBe(64)
  expect(failed.log()).toContain('DOMAIN is not set')
})

interface World {
  readonly stage: Stage
  readonly machine: Machine
  readonly image: Image
  readonly environment: Readonly<Record<string, string>>
  readonly mounts: Readonly<Record<string, string>>
  readonly montague: House
  /** where the platform takes https for us */
  readonly port: number
}

/** The image, built; a platform whose proxy comes to its port; and montague.example elsewhere. */
async function prepare(stage: Stage): Promise<World> {
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
  const environment = {
    PORT: `${PORT}`,
    DOMAIN,
    PUBLIC_HOST: `${DOMAIN}:${port}`,
    DIALBACK_SECRET: 'the secret of this test',
    DATA: stage.path('machine/data'),
    FIRST_USER: 'juliet',
    FIRST_PASSWORD: passwordOf('juliet'),
  }
  const image = await buildImage(machine, 'deploy/one-port/Containerfile')
  return { stage, machine, image, environment, mounts: ownFiles(stage), montague, port }
}

/** What differs from the kit's: where montague.example is and whom to trust, and how long Prosody waits before it asks. */
function ownFiles(stage: Stage): Readonly<Record<string, string>> {
  const kit = (name: string) => readFileSync(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8')
  const here = network('capulet', { montague: MONTAGUE_THERE }).replace('ca.pem', stage.path('ca.pem'))
  const lua = kit('prosody.cfg.lua').replace('read_timeout = 45', 'read_timeout = 1')
  return {
    [stage.write('one-port.toml', `${kit('one-port/isthmus.toml')}${here}`)]: `${KIT}/isthmus.toml`,
    [stage.write('kit.cfg.lua', lua)]: `${KIT}/prosody.cfg.lua`,
  }
}

async function start(world: World, name: string, more: { user?: string } = {}): Promise<Container> {
  const { machine, image, environment, mounts } = world
  const container = await Container.start(machine, image, { name, environment, mounts, ...more })
  await machine.says(`${name}.log`, '"event":"listening"')
  await machine.says(`${name}.log`, "Activated service 's2s' on")
  return container
}

/** juliet comes in through the platform's port, is silent for a while, and then they talk. */
async function talk({ stage, port }: World, romeo: Side, silentMs = 0) {
  const juliet = { client: await stage.browse(DOMAIN, 'juliet', port), domain: DOMAIN, rooms: '' }
  await sleep(silentMs)
  expect(juliet.client.disconnects).toBe(0)
  const messages = (await chat(juliet, romeo)) + (await chat(romeo, juliet))
  return { messages, pings: await ping(juliet, romeo) }
}

/** How streams over WebSocket were proven: we have no certificate, and none of a peer comes through the platform. */
function proofs(log: string): string[] {
  const lines = log.split('\n').filter(line => line.startsWith('{') && line.includes('stream:established'))
  const established = lines.map(line => JSON.parse(line)).filter(({ transport }) => transport === 'websocket')
  return [...new Set(established.map(({ role, authentication }) => `${role} ${authentication}`))].sort()
}

interface Resident {
  readonly program: 'prosody' | 'isthmus'
  readonly pid: number
  readonly user: string
  readonly megabytes: number
}

/** What the kit has running. */
async function residents(machine: Machine): Promise<Resident[]> {
  const words = await machine.run('ps -e -o pid=,rss=,user=,args=')
  return [...words.matchAll(/^ *(\d+) +(\d+) (\S+) +(.*)$/gm)].flatMap(
    ([, pid, kilobytes, user = '', args = '']) => {
      const program = /cfg\.lua -F$/.test(args) ? 'prosody' : /isthmus serve/.test(args) ? 'isthmus' : null
      if (program === null) return []
      return [{ program, pid: Number(pid), user, megabytes: Math.round(Number(kilobytes) / 1024) }]
    },
  )
}

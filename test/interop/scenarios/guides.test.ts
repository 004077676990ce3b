import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { carry, carryThere, Machine } from '../../kit/machine/machine.ts'
import { buildHouse, network, publicPorts } from '../../kit/servers/house.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { PROSODY_13 } from '../../kit/servers/prosody.ts'
import { passwordOf } from '../../kit/servers/server.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'
import { chat, ping, type Side, talkInRoom } from './conversation.ts'

// docs/operations: every command of the guides, in their order, as root of a machine of its own; then a user of the server
// that came of it writes to one elsewhere. What differs from an operator's machine stands in `beElsewhere`.

const DOMAIN = 'capulet.example'
const PROSODY_13_FOLDER = join(PROSODY_13, '../../..')

const stage = stages()

interface Section {
  readonly title: string
  /** what its fences hold, word for word */
  readonly blocks: readonly string[]
}

function sectionsOf(server: string): Section[] {
  const file = new URL(`../../../docs/operations/${server}.md`, import.meta.url)
  const [, ...sections] = readFileSync(file, 'utf8').split(/^## /m)
  return sections.map(text => ({
    title: text.slice(0, text.indexOf('\n')),
    blocks: [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block),
  }))
}

interface Guide {
  readonly server: 'prosody' | 'ejabberd'
  readonly rooms: string
  readonly packages: readonly string[]
  /** titles of the sections that only some have to read, by who they are */
  readonly ways: Readonly<Record<string, readonly string[]>>
  readonly prosody13?: string
}

const HTTPS = 'If the machine may use HTTPS only'
const TCP = 'If the machine may connect over TCP'
const MODULE = 'If you have Prosody 0.12.4 or newer and want DNS left alone'

const CHECK = 'See that it works'

const GUIDES: readonly Guide[] = [
  {
    server: 'prosody',
    rooms: `rooms.${DOMAIN}`,
    packages: ['prosody', 'lua-unbound'],
    ways: { HTTPS: [HTTPS], TCP: [TCP, `${TCP}: whom Prosody trusts`], module: [MODULE] },
  },
  {
    server: 'ejabberd',
    rooms: `conference.${DOMAIN}`,
    packages: ['ejabberd'],
    ways: { HTTPS: [HTTPS], TCP: [TCP, `${TCP}: whom ejabberd trusts`] },
  },
]

const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

/** where the machine finds montague.example, in place of the internet */
const MONTAGUE_THERE = 9443

interface World {
  readonly machine: Machine
  readonly juliet: () => Promise<Side>
  readonly romeo: Side
}

/** A machine with its certificate, and montague.example elsewhere. */
async function prepare(here: Stage, { rooms, prosody13 }: Guide): Promise<World> {
  const ports = await publicPorts('capulet', 'montague')
  const [users = 0] = await takePorts(1)
  const montague = await buildHouse(here, MONTAGUE, ports)
  const machine = Machine.start(here, { name: 'machine', ...(prosody13 && { prosody13 }) })
  const socket = (name: string) => here.path(`machine/${name}.sock`)
  await carryThere(machine, [
    { from: socket('public'), to: 443 },
    { from: socket('users'), to: 5222 },
    { from: MONTAGUE_THERE, to: socket('out') },
  ])
  carry(here, [
    { from: ports['capulet'] ?? 0, to: socket('public') },
    { from: users, to: socket('users') },
    { from: socket('out'), to: montague.port },
  ])
  const certificate = here.authority.issue({ dns: [DOMAIN, rooms] })
  const live = `/etc/letsencrypt/live/${DOMAIN}`
  await machine.run(
    [
      `mkdir -p ${live}`,
      `cp ${here.write('fullchain.pem', certificate.certificatePem)} ${live}/fullchain.pem`,
      `cp ${here.write('privkey.pem', certificate.keyPem)} ${live}/privkey.pem`,
      // What others trust, on this stage.
      `cat ${here.path('ca.pem')} >> /etc/ssl/certs/ca-certificates.crt`,
    ].join('\n'),
  )
  return {
    machine,
    juliet: async () => {
      return { client: await here.loginOverTls(DOMAIN, 'juliet', users), domain: DOMAIN, rooms }
    },
    romeo: { client: await here.login(montague.server, 'romeo'), ...montague },
  }
}

/** Whether the server takes its users yet. */
const LISTENS = 'ss --no-header --listening --tcp --numeric "sport = :5222" | grep --quiet .'

/** Once there is a configuration: the authority of the stage is a public one, and montague.example is on this machine. */
function beElsewhere(here: Stage, machine: Machine): Promise<string> {
  const lines = here.write('network.toml', network('capulet', { montague: MONTAGUE_THERE }))
  return machine.run(
    `cp ${here.path('ca.pem')} /etc/isthmus/ca.pem\ncat ${lines} >> /etc/isthmus/isthmus.toml\n`,
  )
}

/** Run a section as it stands. Where a person would look before going on, this waits. */
async function follow({ blocks }: Section, machine: Machine): Promise<string> {
  let words = ''
  for (const block of blocks) {
    const password = `${passwordOf('juliet')}\n`
    words += await machine.run(block, /adduser|read -/.test(block) ? password.repeat(2) : '')
    if (block.includes('systemctl restart')) await machine.run(`until ${LISTENS}; do sleep 0.1; done`)
    if (block.includes('enable --now isthmus')) await machine.says('isthmus.out.log', '"msg":"admin socket"')
  }
  return words
}

describe.each(GUIDES)('the guide of $server', guide => {
  const sections = sectionsOf(guide.server)
  const special = Object.values(guide.ways).flat()
  const sectionsFor = (own: readonly string[]) =>
    sections.filter(({ title }) => !special.includes(title) || own.includes(title))

  it.each(Object.entries(guide.ways))('%s', { timeout: 180_000 }, async (way, own) => {
    const here = stage()
    const module = own.includes(MODULE) ? { prosody13: PROSODY_13_FOLDER } : {}
    const { machine, juliet, romeo } = await prepare(here, { ...guide, ...module })
    const began = performance.now()
    for (const section of sectionsFor(own)) {
      const words = await follow(section, machine)
      if (section.blocks.some(block => block.includes('isthmus init '))) await beElsewhere(here, machine)
      if (section.title === CHECK) expect(words).toContain(`${DOMAIN} reaches montague.example`)
    }
    const seconds = Math.round((performance.now() - began) / 1000)
    const side = await juliet()
    const blocks = sectionsFor(own).flatMap(section => section.blocks).length
    const done = {
      messages: (await chat(side, romeo)) + (await chat(romeo, side)),
      pings: (await ping(side, romeo)) + (await ping(romeo, side)),
      roomMessages: await talkInRoom(side, romeo),
    }
    expect(done).toEqual({ messages: 6, pings: 4, roomMessages: 4 })
    expect(lines(machine.read('packages'))).toEqual(guide.packages)
    expect(lines(machine.read('units'))).toEqual([guide.server, 'isthmus', guide.server])
    process.stdout.write(
      `docs/operations/${guide.server}.md, ${way}: ${JSON.stringify({ blocks, seconds, ...done })}\n`,
    )
  })

  it('has no command that no way runs, nor one that is not marked as such', () => {
    const read = Object.values(guide.ways).flatMap(own => sectionsFor(own))
    expect(sections.filter(section => !read.includes(section))).toEqual([])
    const titles = sections.map(({ title }) => title)
    expect([...special, CHECK].filter(title => !titles.includes(title))).toEqual([])
    expect(fencesOf(guide.server)).toEqual(sections.flatMap(({ blocks }) => blocks.map(() => 'sh')))
  })
})

/** the language of each fence */
function fencesOf(server: string): string[] {
  const file = new URL(`../../../docs/operations/${server}.md`, import.meta.url)
  return [...readFileSync(file, 'utf8').matchAll(/^```(\w+)$/gm)].map(([, language = '']) => language)
}

function lines(text: string): string[] {
  return text.trimEnd().split('\n')
}

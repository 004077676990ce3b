import { readFileSync } from 'node:fs'
import { carry, carryThere, Machine } from '../../kit/machine/machine.ts'
import { buildHouse, network, publicPorts } from '../../kit/servers/house.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { passwordOf } from '../../kit/servers/server.ts'
import type { Stage } from '../../kit/servers/stage.ts'
import type { Side } from './conversation.ts'

// A guide is followed as root of a machine of its own, for capulet.example; montague.example is elsewhere. What differs from an
// operator's machine stands in `beElsewhere`.

export const DOMAIN = 'capulet.example'

export interface Section {
  readonly title: string
  /** what its fences hold, word for word */
  readonly blocks: readonly string[]
}

/** @param file from the root of the project */
export function sectionsOf(file: string): Section[] {
  const [, ...sections] = textOf(file).split(/^## /m)
  return sections.map(text => ({
    title: text.slice(0, text.indexOf('\n')),
    blocks: [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block),
  }))
}

/** The language of each fence, in those of sections and outside. */
export function fencesOf(file: string): string[] {
  return [...textOf(file).matchAll(/^```(\w+)$/gm)].map(([, language = '']) => language)
}

const textOf = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')

const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

/** where the machine finds montague.example, in place of the internet */
const MONTAGUE_THERE = 9443

export interface World {
  readonly machine: Machine
  readonly juliet: () => Promise<Side>
  readonly romeo: Side
}

export interface WorldOptions {
  /** the domain of the machine's rooms */
  readonly rooms: string
  readonly prosody13?: string
}

/** A machine with its certificate, and montague.example elsewhere. */
export async function prepare(here: Stage, { rooms, prosody13 }: WorldOptions): Promise<World> {
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
const SERVER_LISTENS = 'ss --no-header --listening --tcp --numeric "sport = :5222" | grep --quiet .'
/** Whether the gateway is up: its admin socket comes last. */
const GATEWAY_LISTENS = 'ss --no-header --listening --unix | grep --quiet /run/isthmus/admin/'

/** Once there is a configuration: the authority of the stage is a public one, and montague.example is on this machine. */
export function beElsewhere(here: Stage, machine: Machine): Promise<string> {
  const lines = network('capulet', { montague: MONTAGUE_THERE })
  const trust = '[trust]\nca = ["ca.pem"]\n'
  const others = here.write('network.toml', lines.replace(trust, ''))
  const alone = here.write('trust.toml', trust)
  return machine.run(
    [
      `cp ${here.path('ca.pem')} /etc/isthmus/ca.pem`,
      'cd /etc/isthmus',
      `if grep --quiet '^\\[trust\\]' isthmus.toml; then sed -i 's/^\\[trust\\]$/&\\nca = ["ca.pem"]/' isthmus.toml`,
      `else cat ${alone} >> isthmus.toml; fi`,
      `cat ${others} >> isthmus.toml`,
      '',
    ].join('\n'),
  )
}

/** Run a section as it stands. Where a person would look before going on, this waits. */
export async function follow({ blocks }: Section, machine: Machine): Promise<string> {
  let words = ''
  for (const block of blocks) {
    const password = `${passwordOf('juliet')}\n`
    words += await machine.run(block, /adduser|read -/.test(block) ? password.repeat(2) : '')
    if (/systemctl restart (prosody|ejabberd)/.test(block))
      await machine.run(`until ${SERVER_LISTENS}; do sleep 0.1; done`)
    if (/systemctl (enable --now|restart) isthmus/.test(block))
      await machine.run(`until ${GATEWAY_LISTENS}; do sleep 0.1; done`)
  }
  return words
}

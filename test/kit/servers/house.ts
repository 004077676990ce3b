import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TestCertificate } from '../authority.ts'
import type { Command } from '../command.ts'
import { takePorts } from './ports.ts'
import { type Server, serverPorts } from './server.ts'
import type { Stage } from './stage.ts'

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

export interface HouseOptions {
  /** 'capulet': the domain is capulet.example */
  readonly name: string
  readonly server: 'prosody' | 'ejabberd'
  readonly users: readonly string[]
  /** for `isthmus init`, beyond what ports and folders need */
  readonly init?: readonly string[]
  /** its users come in through the gateway's port too */
  readonly web?: boolean
  /** of the resolver that everything unsteered is asked of; default: one that knows nothing */
  readonly upstream?: number
  /** lines for the end of isthmus.toml */
  readonly toml?: string
  /** lines for the server, beside those that init gives */
  readonly lines?: string
  readonly program?: string
  readonly modules?: readonly string[]
  readonly debug?: boolean
  /** what ends TLS in front of the gateway */
  readonly front?: Front
}

/** A proxy on the public port of a house. */
export interface Front {
  /** isthmus.toml of its kit: what stands there of listeners and certificates replaces what init has written */
  readonly toml: string
  /** Runs until the stage ends. */
  start(stage: Stage, at: FrontPlace): Promise<void>
}

export interface FrontPlace {
  readonly domain: string
  readonly certificate: TestCertificate
  /** on 127.0.0.1 */
  readonly publicPort: number
  /** where the gateway listens: a port on 127.0.0.1, or, where the kit's does, the socket */
  readonly port: number
  readonly socket: string
}

/** What an operator has who did what `isthmus init` said: a server, and a gateway beside it. */
export interface House {
  readonly domain: string
  readonly rooms: string
  readonly server: Server
  /** the gateway at this moment */
  gateway: Command
  /** where the gateway takes wss */
  readonly port: number
  readonly folder: string
  /** Start it again; the old one has ended. */
  restartGateway(): Promise<void>
}

/** What `isthmus init --stdout --json` prints. */
export interface Printed {
  readonly config: string
  readonly server: readonly { readonly file: string; readonly text: string }[]
}

/** Public ports of all houses of a stage, so that each finds the others. */
export async function publicPorts(...names: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const ports = await takePorts(names.length)
  return Object.fromEntries(names.map((name, index) => [name, ports[index] ?? 0]))
}

/** Build it by init's output. Each `others` is found at its public port, by host-meta, as if that were 443. */
export async function buildHouse(
  stage: Stage,
  options: HouseOptions,
  others: Readonly<Record<string, number>>,
): Promise<House> {
  const { name, server: kind, users, init = [] } = options
  const domain = `${name}.example`
  const rooms = `rooms.${domain}`
  const port = others[name] ?? 0
  const certificate = stage.issue(domain)
  const folder = gatewayFolder(stage, name, certificate)
  const ports = await serverPorts()
  const [listen = 0, dns = 0, inner = 0] = await takePorts(3)
  const upstream = options.upstream ?? (await stage.names()).port
  const roots = join(folder, 'roots.pem')
  const printed = initialise([
    ...['--server', kind, '--domain', domain, '--also', rooms],
    ...['--listen', `127.0.0.1:${port}`, '--server-address', `127.0.0.1:${ports.s2s}`],
    ...['--server-listen', `127.0.0.1:${listen}`, '--server-listen', `[::1]:${listen}`],
    ...['--dns-listen', `127.0.0.1:${dns}`, '--dns-upstream', `127.0.0.1:${upstream}`],
    ...(options.web
      ? ['--url', `wss://${domain}:${port}/s2s`, '--http', `http://127.0.0.1:${ports.http}`]
      : []),
    ...init,
    ...(init.includes('plaintext') || init.includes('no') ? [] : ['--server-ca', 'ca.pem', '--roots', roots]),
  ])
  const text = (file: string) => printed.server.find(part => part.file.endsWith(file))?.text
  const behind = { domain, certificate, publicPort: port, port: inner, socket: join(folder, 'front.sock') }
  const front = options.front
  writeFileSync(
    join(folder, 'isthmus.toml'),
    front === undefined
      ? `${printed.config}${network(name, others)}${options.toml ?? ''}`
      : `${fronted(printed.config, front.toml, behind)}${trusting(network(name, others), front.toml)}${options.toml ?? ''}`,
  )
  // The intermediate that peers send, and proxies drop.
  writeFileSync(join(folder, 'intermediates.pem'), stage.authority.signer.certificatePem)
  await front?.start(stage, behind)
  // The gateway makes its authority before the server can be told to trust it.
  const started = () => stage.gateway(`gateway-${name}/isthmus`)
  const gateway = await started()
  if (printed.config.includes('security = "tls"')) {
    rmSync(roots, { force: true })
    for (const file of ['isthmus-authority/ca.pem', 'ca.pem'])
      appendFileSync(roots, readFileSync(join(folder, file), 'utf8'))
  }
  const common = {
    domain,
    users,
    ports,
    certificate,
    ...(options.debug === undefined ? {} : { debug: options.debug }),
    fragment: `${text('.yml') ?? text('.lua') ?? ''}\n${options.lines ?? ''}`,
  }
  const inetrc = text('inetrc')
  const server =
    kind === 'prosody'
      ? await stage.prosody({
          ...common,
          modules: ['s2s_bidi', ...(options.modules ?? [])],
          ...(options.program === undefined ? {} : { program: options.program }),
        })
      : await stage.ejabberd({ ...common, ...(inetrc === undefined ? {} : { inetrc }) })
  const house: House = {
    domain,
    rooms,
    server,
    gateway,
    port,
    folder,
    async restartGateway() {
      expect(house.gateway.isRunning).toBe(false)
      house.gateway = await started()
    },
  }
  return house
}

/** A folder for the gateway, with the files that its configuration names. */
export function gatewayFolder(stage: Stage, name: string, certificate: TestCertificate): string {
  const folder = stage.path(`gateway-${name}`)
  mkdirSync(folder, { mode: 0o700 })
  writeFileSync(join(folder, `${name}.example.pem`), certificate.certificatePem)
  writeFileSync(join(folder, `${name}.example.key`), certificate.keyPem, { mode: 0o600 })
  writeFileSync(join(folder, 'ca.pem'), stage.authority.caPem)
  return folder
}

export function initialise(args: readonly string[]): Printed {
  return JSON.parse(execFileSync(process.execPath, [main, 'init', ...args, '--stdout', '--json']).toString())
}

/** For the end of isthmus.toml: whom to trust, and where sockets to the other houses go. All else is as on the internet. */
export function network(name: string, others: Readonly<Record<string, number>>): string {
  const connect = Object.entries(others)
    .filter(([other]) => other !== name)
    .flatMap(([other, at]) =>
      ['', 'rooms.', 'conference.'].flatMap(label =>
        [443, at].map(port => `"${label}${other}.example:${port}" = "127.0.0.1:${at}"`),
      ),
    )
  return `
[trust]
ca = ["ca.pem"]
[network]
connect = { ${connect.join(', ')} }
[log]
level = "debug"
`
}

const LISTEN = /^\[\[listen\]\]\n(?:(?!\[).*\n)*/m

/** What init has written, with the listener, the secrets and the certificate as the kit of a proxy has them. */
function fronted(config: string, kit: string, { port, socket }: FrontPlace): string {
  const listen = (LISTEN.exec(kit)?.[0] ?? '')
    .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replace('unix:/run/isthmus/front.sock', `unix:${socket}`)
  const [top = ''] = kit.split(/^\[/m, 1)
  const bare = /^certificate = /m.test(kit) ? config : config.replace(/^(certificate|key) = .*\n/gm, '')
  return `${top}${bare.replace(LISTEN, listen)}`
    .replace(/\$\{DIALBACK_SECRET\}/, DIALBACK_SECRET)
    .replace(/\$\{PROXY_SECRET\}/, PROXY_SECRET)
}

function trusting(network: string, kit: string): string {
  const [intermediates = ''] = /^intermediates = .*$/m.exec(kit) ?? []
  return network.replace('[trust]', `[trust]\n${intermediates}`)
}

const DIALBACK_SECRET = 'what keys of this stage are made of'
/** what proxies of this stage show to gateways */
export const PROXY_SECRET = 'what the proxy shows to the gateway'

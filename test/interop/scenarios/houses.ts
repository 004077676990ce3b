import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from '../../kit/command.ts'
import type { Client } from '../../kit/servers/client.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { type Ports, type Server, serverPorts } from '../../kit/servers/server.ts'
import type { Stage } from '../../kit/servers/stage.ts'

// A house is what an operator has: a server and a gateway beside it, both configured by what `isthmus init` says.

const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt'

export interface HouseOptions {
  readonly server: Server['kind']
  /** e.g. 'capulet.example' */
  readonly domain: string
  readonly users: readonly string[]
  /** between server and gateway */
  readonly security: 'plaintext' | 'tls'
  /** further flags for `init`, e.g. ['--steering', 'dns'] */
  readonly init?: readonly string[]
  /** beside those that Debian's Prosody has */
  readonly modules?: readonly string[]
  /** Prosody's program, where it is not Debian's */
  readonly program?: string
  /** lines for the end of the gateway's configuration */
  readonly more?: string
}

export interface House {
  readonly domain: string
  readonly rooms: string
  readonly server: Server
  readonly gateway: Command
  /** the gateway's public one */
  readonly port: number
  login(user: string, resource?: string): Promise<Client>
}

/** What a house will have, known before anything of it runs. */
interface Plan {
  readonly options: HouseOptions
  readonly ports: Ports
  readonly port: number
  /** where the server brings its streams */
  readonly leg: number
  readonly dns: number
}

interface Init {
  readonly config: string
  readonly server: readonly { readonly file: string; readonly text: string }[]
}

/** Houses whose gateways find each other by host-meta, as on the internet but for where the sockets go. */
export async function buildHouses(stage: Stage, ...houses: readonly HouseOptions[]): Promise<House[]> {
  const plans: Plan[] = []
  for (const options of houses) {
    const [port = 0, leg = 0, dns = 0] = await takePorts(3)
    plans.push({ options, ports: await serverPorts(), port, leg, dns })
  }
  return Promise.all(plans.map(plan => build(stage, plan, plans)))
}

async function build(stage: Stage, plan: Plan, plans: readonly Plan[]): Promise<House> {
  const { domain } = plan.options
  const name = configOf(domain)
  const init = await initialise(stage, plan)
  stage.write(`${name}.toml`, `${withAddress(init.config)}${network(plans)}${plan.options.more ?? ''}\n`)
  stage.certify(join(dirname(name), domain), stage.issue(domain))
  // It makes the authority that a strict server has to trust.
  const gateway = await stage.gateway(name)
  const server = await startServer(stage, plan, init)
  return {
    domain,
    rooms: `rooms.${domain}`,
    server,
    gateway,
    port: plan.port,
    login: (user, resource) => stage.login(server, user, resource),
  }
}

/** What `isthmus init` says, for ports of the test's. */
async function initialise(stage: Stage, { options, ports, port, leg, dns }: Plan): Promise<Init> {
  const { domain, server, security, init = [] } = options
  const flags = {
    server,
    domain,
    security,
    ...(security === 'tls' ? { 'server-ca': '../ca.pem' } : {}),
    also: `rooms.${domain}`,
    url: `wss://${domain}:${port}/s2s`,
    listen: `127.0.0.1:${port}`,
    'server-address': `127.0.0.1:${ports.s2s}`,
    'dns-listen': `127.0.0.1:${dns}`,
    'dns-upstream': `127.0.0.1:${(await stage.names()).port}`,
    roots: stage.path(rootsOf(domain)),
  }
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  const legs = ['127.0.0.1', '[::1]'].flatMap(host => ['--server-listen', `${host}:${leg}`])
  const ended = await stage.command('init', '--json', '--stdout', ...args, ...legs, ...init).ended
  if (ended.code !== 0) throw new Error(`init: ${ended.err}`)
  return JSON.parse(ended.out)
}

/** Else the addresses that host-meta publishes would be looked up. */
function withAddress(config: string): string {
  return config.replace(/^url = .*$/m, '$&\nips = ["127.0.0.1"]')
}

/** Nothing leaves the machine. TLS, HTTP and what a domain says of itself are as they would be. */
function network(plans: readonly Plan[]): string {
  const ways = plans.flatMap(({ options: { domain }, port }) =>
    [domain, `rooms.${domain}`].flatMap(name =>
      [443, port].map(at => `"${name}:${at}" = "127.0.0.1:${port}"`),
    ),
  )
  return [
    '',
    '[trust]',
    'ca = ["../ca.pem"]',
    '[network]',
    'allow_private = ["127.0.0.0/8"]',
    `connect = { ${ways.join(', ')} }`,
    '',
  ].join('\n')
}

async function startServer(stage: Stage, { options, ports }: Plan, init: Init): Promise<Server> {
  const { domain, users, server, security, modules = [], program } = options
  const text = (end: string) => init.server.find(({ file }) => file.endsWith(end))?.text ?? ''
  if (security === 'tls') trust(stage, domain, server)
  const common = { domain, users, ports, certificate: stage.issue(domain) }
  if (server === 'ejabberd') {
    return stage.ejabberd({ ...common, fragment: text('/isthmus.yml'), inetrc: text('/inetrc') })
  }
  const own = program === undefined ? {} : { program }
  return stage.prosody({ ...common, modules, fragment: text('.cfg.lua'), ...own })
}

/** What the notes beside the server's lines say: the gateway's authority is trusted, in ejabberd's case with the system's. */
function trust(stage: Stage, domain: string, server: Server['kind']): void {
  const authority = stage.path(join(dirname(configOf(domain)), 'isthmus-authority/ca.pem'))
  const files = server === 'ejabberd' ? [SYSTEM_ROOTS, authority] : [authority]
  stage.write(rootsOf(domain), files.map(file => readFileSync(file, 'utf8')).join('\n'))
}

/** Each gateway has a folder of its own, as its authority is beside its configuration. */
const configOf = (domain: string) => `${domain}-gateway/isthmus`
const rootsOf = (domain: string) => `${domain}-roots.pem`

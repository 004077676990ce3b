import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { takePorts } from './ports.ts'
import { Program, type ProgramOptions } from './process.ts'

// What Prosody and ejabberd have in common as the suites see them.

export interface ServerOptions {
  /** its own: made if it is not there; holds configuration, data and logs */
  readonly folder: string
  /** e.g. 'capulet.example'; its rooms are at 'rooms.capulet.example' */
  readonly domain: string
  /** node parts; the password of each is `passwordOf` it */
  readonly users?: readonly string[]
  /** Lines for the server's configuration, as an operator adds them, or what makes them of the ports. */
  readonly fragment?: Fragment
  /** default: free ones; they are needed before where the fragment is made elsewhere */
  readonly ports?: Ports
  /** PEM, for c2s and s2s; default: none, no TLS */
  readonly certificate?: { readonly certificatePem: string; readonly keyPem: string }
  /** log everything, not only what matters */
  readonly debug?: boolean
}

export type Fragment = string | ((ports: Ports) => string)

export interface Ports {
  readonly c2s: number
  readonly s2s: number
  /** WebSocket and BOSH, where the modules for it are loaded */
  readonly http: number
  /** XEP-0114, where the fragment or `hosts` has something for it */
  readonly component: number
}

/** A server of its own on loopback. */
export interface Server {
  readonly kind: 'prosody' | 'ejabberd'
  readonly domain: string
  /** the domain of its rooms */
  readonly rooms: string
  readonly folder: string
  readonly ports: Ports
  readonly pid: number
  readonly isRunning: boolean
  /** Start it again: same ports, same data. */
  start(): Promise<void>
  /** In an orderly way. */
  stop(): Promise<void>
  /** At once, without a word. */
  kill(): Promise<void>
  /** Stop and start. */
  restart(): Promise<void>
  /** What it has logged. */
  log(): string
}

export function passwordOf(user: string): string {
  return `password of ${user}`
}

export async function serverPorts(): Promise<Ports> {
  const [c2s = 0, s2s = 0, http = 0, component = 0] = await takePorts(4)
  return { c2s, s2s, http, component }
}

export function fragmentOf({ fragment = '' }: ServerOptions, ports: Ports): string {
  return typeof fragment === 'string' ? fragment : fragment(ports)
}

/** A folder that only we can read, and a way to write into it. */
export function ownFolder(folder: string): (name: string, text: string) => string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return (name, text) => {
    const file = join(folder, name)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
}

/** Starts it. `fresh`: files that must not be there when it starts. */
export async function startServer(
  kind: Server['kind'],
  { folder, domain }: ServerOptions,
  ports: Ports,
  how: Pick<ProgramOptions, 'program' | 'args' | 'environment' | 'files' | 'log'>,
): Promise<Server> {
  const program = new Program({ ...how, name: `${kind} of ${domain}`, folder, ports: [ports.c2s, ports.s2s] })
  const start = () => {
    for (const file of how.files ?? []) rmSync(file, { force: true })
    return program.start()
  }
  await start()
  return {
    kind,
    domain,
    rooms: `rooms.${domain}`,
    folder,
    ports,
    get pid() {
      return program.pid
    },
    get isRunning() {
      return program.isRunning
    },
    start,
    stop: () => program.stop(),
    kill: () => program.kill(),
    async restart() {
      await program.stop()
      await start()
    },
    log: () => readFileSync(how.log, 'utf8'),
  }
}

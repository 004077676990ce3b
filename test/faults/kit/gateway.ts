import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestCertificate } from '../../kit/authority.ts'

/** npm runs scripts in the folder of package.json */
const main = resolve('dist/cli/main.js')
const READY_MS = 15_000

export interface GatewayOptions {
  readonly folder: string
  readonly domain: string
  /** served beside it */
  readonly also: readonly string[]
  /** where peers reach it, on 127.0.0.1 */
  readonly port: number
  readonly componentPort: number
  /** domain to port on 127.0.0.1 */
  readonly peers: Readonly<Record<string, number>>
  readonly certificate: TestCertificate
  readonly caPem: string
  /** keys of [limits], with values as they stand there */
  readonly limits: Readonly<Record<string, string | number>>
  /** how many files it may have open; absent: as many as we */
  readonly openFiles?: number
  /** its clock can be stepped */
  readonly hasClock?: boolean
}

/** A gateway with a component host, as a process that can be killed and started again. Its log is a file. */
export class Gateway {
  readonly domain: string
  /** it, and those beside it */
  readonly names: readonly string[]
  readonly port: number
  readonly componentPort: number
  readonly folder: string
  readonly secret: string
  readonly #openFiles: number | null
  readonly #hasClock: boolean
  #child: ChildProcess | null = null
  #ended: Promise<number | null> = Promise.resolve(null)

  constructor(options: GatewayOptions) {
    const { folder, domain, port, componentPort, certificate } = options
    this.domain = domain
    this.names = [domain, ...options.also]
    this.port = port
    this.componentPort = componentPort
    this.folder = folder
    this.#openFiles = options.openFiles ?? null
    this.#hasClock = options.hasClock ?? false
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.stepClock('+0')
    this.certify(certificate)
    writeFileSync(join(folder, 'ca.pem'), options.caPem)
    const { config } = JSON.parse(
      execFileSync(process.execPath, [
        ...[main, 'init', '--server', 'component', '--domain', domain],
        ...['--listen', `127.0.0.1:${port}`, '--component-listen', `127.0.0.1:${componentPort}`],
        ...options.also.flatMap(name => ['--also', name]),
        ...['--stdout', '--json'],
      ]).toString(),
    )
    this.secret = /^secret = "(.*)"$/m.exec(config)?.[1] ?? ''
    // While the gateway is away its component is, too, and comes back a moment after it.
    writeFileSync(
      join(folder, 'isthmus.toml'),
      `${config.replace(/^hold = .*$/m, 'hold = "60s"')}${tail(options)}`,
    )
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** of the process that runs; 0: none does */
  get pid(): number {
    return this.isRunning ? (this.#child?.pid ?? 0) : 0
  }

  /** in its hands, connections among them */
  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  get residentBytes(): number {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]
    return Number(kib) * 1_024
  }

  /** user and system, ms */
  get cpuMs(): number {
    // The name, which stands before, may have blanks in it; ticks are hundredths of a second.
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  /** From now on its wall clock is so much ahead: '+1y', '-1y', '+0'. The monotonic one goes on. */
  stepClock(offset: string): void {
    writeFileSync(join(this.folder, 'clock'), `${offset}\n`)
  }

  #clock(): Readonly<Record<string, string>> {
    const library = readdirSync('/usr/lib')
      .map(folder => join('/usr/lib', folder, 'faketime/libfaketime.so.1'))
      .find(file => existsSync(file))
    if (library === undefined) throw new Error('faketime is not installed')
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: join(this.folder, 'clock'),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** Write the files of the certificate, which a running gateway watches. */
  certify({ certificatePem, keyPem }: Pick<TestCertificate, 'certificatePem' | 'keyPem'>): void {
    writeFileSync(join(this.folder, `${this.domain}.pem`), certificatePem)
    writeFileSync(join(this.folder, `${this.domain}.key`), keyPem, { mode: 0o600 })
  }

  /** Resolves once both ports accept. */
  async start(): Promise<void> {
    const log = openSync(join(this.folder, 'log'), 'a')
    const serve = [process.execPath, main, 'serve', '--config', 'isthmus.toml']
    const limit =
      this.#openFiles === null ? [] : ['prlimit', `--nofile=${this.#openFiles}:${this.#openFiles}`]
    const [program = '', ...args] = [...limit, ...serve]
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { PATH: process.env['PATH'] ?? '', ...(this.#hasClock ? this.#clock() : {}) },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#child = child
    this.#ended = new Promise(done => child.once('exit', code => done(code)))
    const deadlineMs = performance.now() + READY_MS
    for (const port of [this.port, this.componentPort]) {
      while (!(await accepts(port))) {
        if (!this.isRunning || performance.now() > deadlineMs)
          throw new Error(`the gateway of ${this.domain} did not start: ${join(this.folder, 'log')}`)
        await sleep(10)
      }
    }
  }

  /** @returns its exit code; null where the signal ended it */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    if (this.isRunning) this.#child?.kill(signal)
    return this.#ended
  }

  /** The lines of one event. */
  logged(event: string): readonly Readonly<Record<string, unknown>>[] {
    return this.log().filter(line => line['event'] === event)
  }

  /** The structured log, of all its processes. */
  log(): readonly Readonly<Record<string, unknown>>[] {
    return readFileSync(join(this.folder, 'log'), 'utf8')
      .split('\n')
      .filter(line => line.startsWith('{') && line.endsWith('}'))
      .map(line => JSON.parse(line))
  }
}

function tail({ peers, limits }: GatewayOptions): string {
  const connections = Object.entries(peers).flatMap(([domain, at]) =>
    [443, at].map(port => `"${domain}:${port}" = "127.0.0.1:${at}"`),
  )
  const lines = Object.entries(limits).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
  return `
[trust]
ca = ["ca.pem"]
[network]
connect = { ${connections.join(', ')} }
[log]
level = "debug"
[limits]
${lines.join('')}`
}

function accepts(port: number): Promise<boolean> {
  return new Promise(done => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

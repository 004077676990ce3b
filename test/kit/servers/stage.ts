import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { type TestCertificate, testAuthority } from '../authority.ts'
import { Command } from '../command.ts'
import { Client } from './client.ts'
import { type EjabberdOptions, startEjabberd } from './ejabberd.ts'
import { type Names, startNames } from './names.ts'
import { type ProsodyOptions, startProsody } from './prosody.ts'
import type { Server } from './server.ts'

/** lines of each log that a failure shows */
const LOG_LINES = 60

/** One scenario: a folder, what runs in it, and its end. Names of servers and gateways are names of subfolders and files. */
export class Stage {
  readonly authority = testAuthority()
  readonly folder = mkdtempSync(join(tmpdir(), 'isthmus-stage-'))
  readonly #closing: (() => Promise<unknown>)[] = []

  constructor() {
    // The admin sockets' directory must be closed to others.
    mkdirSync(join(this.folder, 'run'), { mode: 0o700 })
    this.write('ca.pem', this.authority.caPem)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text)
    return this.path(name)
  }

  /** Whatever it is, it ends with the stage, before all that came before it. */
  closes(close: () => Promise<unknown>): void {
    this.#closing.push(close)
  }

  async prosody(options: Omit<ProsodyOptions, 'folder'>): Promise<Server> {
    return this.#server(await startProsody({ folder: this.path(options.domain), ...options }))
  }

  async ejabberd(options: Omit<EjabberdOptions, 'folder'>): Promise<Server> {
    return this.#server(await startEjabberd({ folder: this.path(options.domain), ...options }))
  }

  async names(at: Record<string, number> = {}): Promise<Names> {
    const names = await startNames(at)
    this.closes(() => names.close())
    return names
  }

  /** A certificate of the stage's authority for a domain and its rooms. */
  issue(domain: string): TestCertificate {
    return this.authority.issue({ dns: [domain, `rooms.${domain}`] })
  }

  /** NAME.pem and NAME.key, for a gateway's configuration. */
  certify(name: string, { certificatePem, keyPem }: TestCertificate): void {
    this.write(`${name}.pem`, certificatePem)
    chmodSync(this.write(`${name}.key`, keyPem), 0o600)
  }

  async login(server: Server, user: string, resource?: string): Promise<Client> {
    return this.#client(await Client.login(server, user, resource))
  }

  /** A user whose client insists on TLS. */
  async loginOverTls(domain: string, user: string, port: number): Promise<Client> {
    return this.#client(await Client.loginOverTls(domain, user, { port, ca: this.path('ca.pem') }))
  }

  /** A user in a browser, who comes in through a public port. */
  async browse(domain: string, user: string, port: number): Promise<Client> {
    const site = { origin: `https://${domain}:${port}`, ca: this.path('ca.pem') }
    return this.#client(await Client.browse(domain, user, site))
  }

  async component(domain: string, secret: string, port: number): Promise<Client> {
    return this.#client(await Client.component(domain, secret, port))
  }

  /** The built command in the folder, ended with the stage if nothing did before. */
  command(...args: string[]): Command {
    const environment = { HOME: this.folder, RUNTIME_DIRECTORY: this.path('run') }
    const command = new Command(args, { cwd: this.folder, environment })
    this.closes(() => (command.isRunning ? command.kill() : command.ended))
    return command
  }

  /** A gateway that listens, with NAME.toml as it is in the folder. */
  async gateway(name: string): Promise<Command> {
    const gateway = this.command('serve', '--config', `${name}.toml`)
    this.closes(async () => this.write(`${name}.out.log`, gateway.out))
    await gateway.logs({ event: 'listening' })
    // The admin socket comes last.
    await gateway.logs({ msg: 'admin socket' })
    return gateway
  }

  /** End everything, the newest first, each whatever became of the others. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closing.splice(0).reverse()) {
      await close().catch(error => failures.push(error))
    }
    if (failures.length > 0) throw new AggregateError(failures, `not ended well: ${failures.join('; ')}`)
  }

  /** The ends of all logs. */
  words(): string {
    const files = readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
    return files
      .filter(name => name.endsWith('.log'))
      .map(
        name =>
          `== ${name}\n${readFileSync(this.path(name), 'utf8').split('\n').slice(-LOG_LINES).join('\n')}`,
      )
      .join('\n')
  }

  #server(server: Server): Server {
    this.closes(() => server.stop())
    return server
  }

  #client(client: Client): Client {
    this.closes(() => client.end())
    return client
  }
}

/** A stage a test, made on demand; all are closed after it, and a test that failed shows what their logs say. */
export function stages(): () => Stage {
  const open: Stage[] = []
  afterEach(async ({ task }) => {
    for (const stage of open.splice(0)) {
      const failure = await stage.close().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (task.result?.state === 'fail' || failure !== undefined) process.stderr.write(`${stage.words()}\n`)
      rmSync(stage.folder, { recursive: true, force: true })
      if (failure !== undefined) throw failure
    }
  })
  return () => {
    const stage = new Stage()
    open.push(stage)
    return stage
  }
}

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestCertificate, testAuthority } from './authority.ts'
import { Command, type Ended, freePorts } from './command.ts'

// capulet.example and montague.example as an operator has them: files in a folder, and the built command.

export type House = 'capulet' | 'montague'

export interface TomlChange {
  /** null: no [[endpoint]], so that discovery has to find the other */
  readonly endpoint?: string | null
  /** further lines, at the end */
  readonly more?: string
}

export class VeronaFiles {
  readonly authority = testAuthority()
  readonly folder: string
  readonly ports: Readonly<Record<House, number>>
  readonly #commands: Command[] = []

  private constructor(ports: Record<House, number>) {
    this.ports = ports
    this.folder = mkdtempSync(join(tmpdir(), 'isthmus-verona-'))
    // The admin socket's directory must be closed to others.
    mkdirSync(join(this.folder, 'run'), { mode: 0o700 })
    this.write('ca.pem', this.authority.caPem)
    for (const house of ['capulet', 'montague'] as const) {
      this.certify(house, this.issue(house))
      this.configure(house)
    }
  }

  static async create(): Promise<VeronaFiles> {
    const [capulet = 0, montague = 0] = await freePorts(2)
    return new VeronaFiles({ capulet, montague })
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text)
  }

  issue(house: House): TestCertificate {
    return this.authority.issue({ dns: [`${house}.example`, `rooms.${house}.example`] })
  }

  certify(house: House, { certificatePem, keyPem }: TestCertificate): void {
    this.write(`${house}.pem`, certificatePem)
    this.write(`${house}.key`, keyPem)
    chmodSync(this.path(`${house}.key`), 0o600)
  }

  /** Write HOUSE.toml, as the documentation shows it but for `change`. */
  configure(house: House, change: TomlChange = {}): void {
    const other: House = house === 'capulet' ? 'montague' : 'capulet'
    const port = this.ports[house]
    const otherAt = `127.0.0.1:${this.ports[other]}`
    const { endpoint = `wss://${otherAt}/s2s`, more = '' } = change
    // A url that was discovered has its own port, beside that of the web site.
    const hosts = endpoint === null ? [443, this.ports[other]] : [443]
    const connect = hosts.map(at => `"${other}.example:${at}" = "${otherAt}"`).join(', ')
    const lines = [
      '[[listen]]',
      `address = "127.0.0.1:${port}"`,
      'client_certificates = "request" # the default; "off" for a port shared with browsers',
      '[trust]',
      'ca = ["ca.pem"]                 # beside Node\'s bundled roots',
      '[network]',
      'allow_private = ["127.0.0.0/8"] # who may be dialled beyond the public internet',
      `connect = { ${connect} } # where the socket goes; TLS and HTTP unchanged`,
      '[[domain]]',
      `name = "${house}.example"`,
      `also = ["rooms.${house}.example"]`,
      `url = "wss://${house}.example:${port}/s2s"`,
      // Else they would be looked up, and nothing here leaves loopback.
      'ips = ["127.0.0.1"]',
      `certificate = "${house}.pem"`,
      `key = "${house}.key"`,
      'host = "embedded"',
      ...(endpoint === null ? [] : ['[[endpoint]]', `domain = "${other}.example"`, `url = "${endpoint}"`]),
      more,
    ]
    this.write(`${house}.toml`, `${lines.join('\n')}\n`)
  }

  /** Start the command in the folder; `close` ends it if nothing did before. */
  start(...args: string[]): Command {
    const environment = { HOME: this.folder, RUNTIME_DIRECTORY: this.path('run') }
    const command = new Command(args, { cwd: this.folder, environment })
    this.#commands.push(command)
    return command
  }

  run(...args: string[]): Promise<Ended> {
    return this.start(...args).ended
  }

  /** A gateway that listens. */
  async serve(house: House): Promise<Command> {
    const gateway = this.start('serve', '--config', `${house}.toml`)
    await gateway.logs({ event: 'listening' })
    // The admin socket comes last.
    await gateway.logs({ msg: 'admin socket' })
    return gateway
  }

  async close(): Promise<void> {
    await Promise.all(this.#commands.filter(command => command.isRunning).map(command => command.kill()))
    rmSync(this.folder, { recursive: true })
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Ended {
  /** null: ended by a signal */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** The built command as a process of its own: `node dist/cli/main.js …` (DECISIONS 31). */
export class Command {
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #out = ''
  #err = ''

  constructor(args: readonly string[], options: CommandOptions = {}) {
    const { PATH = '' } = process.env
    this.#child = spawn(process.execPath, [main, ...args], {
      cwd: options.cwd,
      env: { PATH, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', text => {
      this.#out += text
      this.#look()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', text => {
      this.#err += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        resolve({ code, signal, out: this.#out, err: this.#err })
        this.#look()
      })
    })
  }

  /** what it has written so far */
  get out(): string {
    return this.#out
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** The structured log so far. */
  log(): Record<string, unknown>[] {
    return this.#out
      .slice(0, this.#out.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line))
  }

  /** Resolves with `look`'s first answer that is not undefined. Rejects where the command ends before. */
  sees<T>(look: (command: this) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = () => {
        const seen = look(this)
        if (seen === undefined && this.isRunning) return
        this.#waiting.delete(again)
        if (seen === undefined) reject(new Error(`it ended without:\n${this.#out}\n${this.#err}`))
        else resolve(seen)
      }
      this.#waiting.add(again)
      again()
    })
  }

  /** Resolves with the first line of the log that has all of `fields`. */
  logs(fields: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const matches = (line: Record<string, unknown>) =>
      Object.entries(fields).every(([name, value]) => line[name] === value)
    return this.sees(command => command.log().find(matches))
  }

  /** End it, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }
}

/** Ports that are free now, all different: for configurations that must know each other's before either runs. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve => {
          server.listen(0, '127.0.0.1', () => {
            const bound = server.address()
            resolve(bound === null || typeof bound === 'string' ? 0 : bound.port)
          })
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

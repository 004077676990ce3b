import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** In the environment of whatever a server starts, so that leftovers can be found. */
const MARK = 'ISTHMUS_TEST_SERVER'
const READY_MS = 30_000
const STOP_MS = 15_000
const POLL_MS = 20

export interface ProgramOptions {
  /** for messages */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** the server's own; its standard output goes to `out.log` there */
  readonly folder: string
  /** on 127.0.0.1: it is ready once all of them accept, and */
  readonly ports: readonly number[]
  /** once these files exist */
  readonly files?: readonly string[]
  /** its own log file, quoted where it does not start */
  readonly log: string
}

/** A server as a process of ours: started, stopped in an orderly way or not, and started again. */
export class Program {
  readonly #options: ProgramOptions
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(options: ProgramOptions) {
    this.#options = options
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    if (!this.isRunning || this.#child?.pid === undefined)
      throw new Error(`${this.#options.name} is not running`)
    return this.#child.pid
  }

  /** Resolves when it accepts connections. Rejects, with the end of its log, where it does not in time. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.#options.name} is running`)
    const { program, args, folder, environment } = this.#options
    const out = openSync(join(folder, 'out.log'), 'a')
    // It ends when we do, however that happens.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, LANG: 'C.UTF-8', ...environment, [MARK]: folder },
      stdio: ['ignore', out, out],
    })
    closeSync(out)
    this.#child = child
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', () => resolve())
    })
    try {
      await Promise.race([this.#ended, this.#ready()])
      if (!this.isRunning) throw new Error('it ended')
    } catch (error) {
      await this.kill()
      throw new Error(`${this.#options.name} did not start: ${String(error)}\n${this.#words()}`)
    }
  }

  /** SIGTERM, and its end waited for. One that does not end in time is killed, which is an error. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.#child?.kill('SIGTERM')
    const stopped = await Promise.race([this.#ended.then(() => true), sleep(STOP_MS, false, { ref: false })])
    if (stopped) return this.#gone()
    await this.kill()
    throw new Error(`${this.#options.name} did not stop within ${STOP_MS} ms of SIGTERM`)
  }

  /** SIGKILL: no word to anybody. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
    await this.#gone()
  }

  async #ready(): Promise<void> {
    const { ports, files = [] } = this.#options
    const deadline = Date.now() + READY_MS
    for (const port of ports) {
      while (!(await accepts(port))) await this.#pause(deadline, `port ${port}`)
    }
    for (const file of files) {
      while (!existsSync(file)) await this.#pause(deadline, file)
    }
  }

  async #pause(deadline: number, what: string): Promise<void> {
    if (!this.isRunning) throw new Error(`it ended before ${what}`)
    if (Date.now() > deadline) throw new Error(`no ${what} within ${READY_MS} ms`)
    await sleep(POLL_MS)
  }

  /** Its helpers (Erlang has some) end a moment after it. */
  async #gone(): Promise<void> {
    const deadline = Date.now() + STOP_MS
    for (
      let left = leftovers(this.#options.folder);
      left.length > 0;
      left = leftovers(this.#options.folder)
    ) {
      if (Date.now() > deadline) throw new Error(`${this.#options.name} left ${left.join(', ')}`)
      await sleep(POLL_MS)
    }
  }

  #words(): string {
    const { folder, log } = this.#options
    return [join(folder, 'out.log'), log].map(endOf).join('\n')
  }
}

/** 'pid command' of each process that a server in this folder, or in one below it, has started and that still runs. */
export function leftovers(folder: string): string[] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return []
    // One that has ended and waits for its parent has no environment.
    const variables = read(`/proc/${pid}/environ`).split('\0')
    if (!variables.some(text => text === `${MARK}=${folder}` || text.startsWith(`${MARK}=${folder}/`)))
      return []
    return [`${pid} ${read(`/proc/${pid}/comm`).trim()}`]
  })
}

/** Whether somebody listens there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

function endOf(file: string): string {
  return `${file}:\n${read(file).split('\n').slice(-40).join('\n')}`
}

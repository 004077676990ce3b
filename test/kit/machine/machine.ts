import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Stage } from '../servers/stage.ts'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
/** for a command */
const DEADLINE_MS = 60_000
const POLL_MS = 50
/** for its shell, which has nothing left to do */
const END_MS = 5_000

export interface MachineOptions {
  /** of its folder in the stage */
  readonly name: string
  /** where Prosody 13 is unpacked, which is then the machine's Prosody; default: Debian's */
  readonly prosody13?: string
}

/**
 * A machine of its own (init.sh): nothing that root does there is done to this one, its ports are free, and it has no
 * network but the passages that are made.
 */
export class Machine {
  readonly folder: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #heard: (line: string) => void = () => {}
  #scripts = 0

  /** It ends with the stage. */
  static start(stage: Stage, options: MachineOptions): Machine {
    const machine = new Machine(stage, options)
    stage.closes(() => machine.#end())
    return machine
  }

  private constructor(stage: Stage, { name, prosody13 }: MachineOptions) {
    this.folder = stage.path(name)
    mkdirSync(this.folder)
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
    const out = openSync(join(this.folder, 'machine.log'), 'a')
    this.#child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, path('init.sh'), this.folder],
      {
        env: {
          PATH: process.env['PATH'] ?? '',
          NODE: process.execPath,
          PROJECT: path('../../..'),
          ...(prosody13 === undefined ? {} : { PROSODY_13: prosody13 }),
        },
        stdio: ['pipe', 'pipe', out],
      },
    )
    closeSync(out)
    const { stdin, stdout } = this.#child
    stdin?.on('error', () => {})
    if (stdout !== null) createInterface({ input: stdout }).on('line', line => this.#heard(line))
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', () => resolve())
    })
  }

  /**
   * Run a script in the machine's shell, which remembers where it is. Resolves with what it wrote; rejects with that where
   * a command of it fails, and the machine is at its end.
   */
  async run(script: string, input = ''): Promise<string> {
    const file = join(this.folder, `script-${++this.#scripts}`)
    writeFileSync(file, script)
    writeFileSync(`${file}.in`, input)
    const done = new Promise<true>(resolve => {
      this.#heard = () => resolve(true)
    })
    this.#child.stdin?.write(`${file}\n`)
    const went = await Promise.race([
      done,
      this.#ended.then(() => false),
      sleep(DEADLINE_MS, false, { ref: false }),
    ])
    const words = read(`${file}.log`)
    if (went) return words
    throw new Error(
      `this failed in ${this.folder}:\n${script}\n${words}\n${read(join(this.folder, 'machine.log'))}`,
    )
  }

  /** A file of the machine. */
  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  /** Resolves when a file of the machine, or one beside its system's, has the words. */
  async says(file: string, words: string): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    while (!read(join(this.folder, file)).includes(words)) {
      if (Date.now() > deadline)
        throw new Error(`no "${words}" in ${file}:\n${read(join(this.folder, file))}`)
      await sleep(POLL_MS)
    }
  }

  /** At once where a script of it hangs. */
  async #end(): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS)
    await this.#ended
    clearTimeout(timer)
  }
}

/** `from` and `to`: a port on loopback, or the path of a socket. */
export interface Passage {
  readonly from: number | string
  readonly to: number | string
}

/** Carries connections on this machine, as long as the stage stands. */
export function carry(stage: Stage, passages: readonly Passage[]): void {
  const places = passages.flatMap(({ from, to }) => [`${from}`, `${to}`])
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, PASSAGE, ...places], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise(resolve => child.once('close', resolve))
  stage.closes(() => {
    child.kill('SIGKILL')
    return ended
  })
}

/** What carries them in the machine. */
export function carryThere(machine: Machine, passages: readonly Passage[]): Promise<string> {
  const places = passages.flatMap(({ from, to }) => [`${from}`, `${to}`])
  const program = '/usr/local/lib/node_modules/isthmus/test/kit/machine/passage.js'
  return machine.run(`node ${program} ${places.join(' ')} >>"$MACHINE/passage.log" 2>&1 &\n`)
}

const PASSAGE = path('passage.js')

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

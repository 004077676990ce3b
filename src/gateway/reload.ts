import { createHash } from 'node:crypto'
import type { Clock, Limits } from '../base/index.ts'
import type { Config } from './config/config.ts'
import type { Loaded } from './config/load.ts'
import type { Problem } from './config/problem.ts'
import { FileWatch } from './file-watch.ts'
import { readText } from './read-text.ts'
import { systemFailure } from './system-failure.ts'

export interface ReloadOptions {
  readonly path: string
  readonly load: () => Loaded
  /** Put it in force. Rejects where that cannot be: the former one is in force then. */
  readonly become: (config: Config) => Promise<void>
  readonly onWarning: (warning: string) => void
  /** it was not put in force, and why */
  readonly onProblem: (detail: string) => void
  readonly limits: Limits
  readonly clock: Clock
}

/** Reads the configuration again, when told to or when its file changes, one time after the other. */
export class Reload {
  readonly #options: ReloadOptions
  readonly #files: FileWatch
  /** digest of what was last looked at */
  #seen: string
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: ReloadOptions) {
    this.#options = options
    this.#seen = digest(options.path)
    this.#files = new FileWatch({ ...options, files: [options.path], onLook: () => this.#look() })
  }

  /** Read it now. Resolves when it is in force, or known not to be. */
  now(): Promise<void> {
    this.#seen = digest(this.#options.path)
    this.#last = this.#last.then(() => this.#run())
    return this.#last
  }

  close(): void {
    this.#isClosed = true
    this.#files.close()
  }

  #look(): void {
    if (digest(this.#options.path) !== this.#seen) void this.now()
  }

  async #run(): Promise<void> {
    if (this.#isClosed) return
    const { onProblem } = this.#options
    try {
      await this.#put()
    } catch (cause) {
      onProblem(systemFailure(cause) ?? (cause instanceof Error ? cause.message : String(cause)))
    }
  }

  async #put(): Promise<void> {
    const { load, become, onWarning, onProblem } = this.#options
    const loaded = load()
    const told = loaded.ok ? loaded.warnings : loaded.problems
    for (const problem of told.filter(({ severity }) => severity === 'warning')) onWarning(sentence(problem))
    if (!loaded.ok) {
      onProblem(
        loaded.problems
          .filter(({ severity }) => severity === 'error')
          .map(sentence)
          .join('; '),
      )
      return
    }
    await become(loaded.config)
  }
}

function digest(path: string): string {
  const read = readText(path)
  return read.ok ? createHash('sha256').update(read.text).digest('hex') : read.failure
}

function sentence({ path, expected, got }: Problem): string {
  return `${path === '' ? '' : `${path}: `}expected ${expected}, got ${got}`
}

/** The tables and keys of a configuration that a restart alone can change, as far as the two differ in them. */
export function fixedKeys(before: Config, next: Config): readonly string[] {
  return FIXED.filter(([name]) => JSON.stringify(before[name]) !== JSON.stringify(next[name])).map(
    ([, key]) => key,
  )
}

const FIXED = [
  ['listen', 'listen'],
  ['trust', 'trust'],
  ['network', 'network'],
  ['dialback', 'dialback'],
  ['dialbackSecret', 'dialback_secret'],
  ['bidi', 'bidi'],
  ['streamManagement', 'stream_management'],
  ['steering', 'steering'],
  ['endpoints', 'endpoint'],
  ['log', 'log'],
  ['admin', 'admin'],
  ['limits', 'limits'],
] as const satisfies readonly (readonly [keyof Config, string])[]

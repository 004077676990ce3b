import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Clock, Limits, Timer } from '../base/index.ts'

export interface FileWatchOptions {
  /** absolute paths */
  readonly files: readonly string[]
  readonly limits: Pick<Limits, 'certificateSettleMs' | 'certificatePollMs'>
  readonly clock: Clock
  /** something may have changed: read them and compare */
  readonly onLook: () => void
}

/**
 * Tells when files may have changed. Their folders are watched rather than they themselves, because renewals replace files
 * and links; and they are looked at from time to time, because some file systems tell nothing.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #watchers: FSWatcher[] = []
  #settle: Timer | null = null
  #poll: Timer | null = null

  constructor(options: FileWatchOptions) {
    this.#options = options
    for (const folder of new Set(options.files.map(file => dirname(file)))) {
      const names = options.files.filter(file => dirname(file) === folder).map(file => basename(file))
      this.#watch(folder, new Set(names))
    }
    this.#schedulePoll()
  }

  close(): void {
    this.#settle?.cancel()
    this.#poll?.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  /**
   * Others of the folder count where they come, go or are renamed, as ours may be links to them; not where they are
   * written: a log beside ours would put off the look for as long as it is written.
   */
  #watch(folder: string, names: ReadonlySet<string>): void {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (event === 'rename' || name === null || names.has(name)) this.#changed()
      })
      // The folder went away or cannot be watched any longer: polling goes on.
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // No watches left, or a file system without them: polling does it.
    }
  }

  #changed(): void {
    const { clock, limits, onLook } = this.#options
    this.#settle?.cancel()
    this.#settle = clock.setTimer(limits.certificateSettleMs, onLook)
  }

  #schedulePoll(): void {
    const { clock, limits, onLook } = this.#options
    this.#poll = clock.setTimer(limits.certificatePollMs, () => {
      onLook()
      this.#schedulePoll()
    })
  }
}

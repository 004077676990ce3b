import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Limits, Timer } from '../base/index.ts'
import type { DomainConfig, KeyPairFiles } from './config/config.ts'
import { readKeyPair } from './config/key-pair.ts'
import { readText } from './read-text.ts'

export interface CertificateWatchOptions {
  readonly domains: readonly DomainConfig[]
  readonly limits: Limits
  readonly clock: Clock
  /** a new pair that fits; a throw counts as a problem */
  readonly onChange: (domain: DomainConfig, pem: { certificate: string; key: string }) => void
  /** the files changed and cannot be used: the pair in force stays. Told once per content. */
  readonly onProblem: (domain: DomainConfig, detail: string) => void
}

interface Watched {
  readonly domain: DomainConfig
  readonly identity: KeyPairFiles
}

/**
 * Watches the certificate and key files of domains. The folders are watched rather than the files, because renewals
 * replace files and links; and the files are read again from time to time, because some file systems tell nothing.
 */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  readonly #watched: readonly Watched[]
  /** digest of what was last looked at, by domain */
  readonly #seen = new Map<string, string>()
  readonly #watchers: FSWatcher[] = []
  #settle: Timer | null = null
  #poll: Timer | null = null

  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#watched = options.domains.flatMap(domain => {
      const { identity } = domain
      return identity === null ? [] : [{ domain, identity }]
    })
    for (const { domain, identity } of this.#watched) {
      this.#seen.set(domain.name, digest(identity.certificate.pem, identity.key.pem))
    }
    for (const folder of foldersOf(this.#watched)) this.#watch(folder)
    this.#schedulePoll()
  }

  /** Read all files now (SIGHUP). */
  reload(): void {
    for (const watched of this.#watched) this.#reloadOne(watched)
  }

  close(): void {
    this.#settle?.cancel()
    this.#poll?.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#changed())
      // The folder went away or cannot be watched any longer: polling goes on.
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // No watches left, or a file system without them: polling does it.
    }
  }

  #changed(): void {
    const { clock, limits } = this.#options
    this.#settle?.cancel()
    this.#settle = clock.setTimer(limits.certificateSettleMs, () => this.reload())
  }

  #schedulePoll(): void {
    const { clock, limits } = this.#options
    this.#poll = clock.setTimer(limits.certificatePollMs, () => {
      this.reload()
      this.#schedulePoll()
    })
  }

  #reloadOne({ domain, identity }: Watched): void {
    const pem = readPair(identity)
    const seen = typeof pem === 'string' ? pem : digest(pem.certificate, pem.key)
    if (this.#seen.get(domain.name) === seen) return
    this.#seen.set(domain.name, seen)
    const problem = typeof pem === 'string' ? pem : this.#use({ domain, identity }, pem)
    if (problem !== null) this.#options.onProblem(domain, problem)
  }

  /** @returns what is wrong; null where the pair is in force now */
  #use({ domain, identity }: Watched, pem: { certificate: string; key: string }): string | null {
    const pair = readKeyPair(pem.certificate, pem.key)
    if (!pair.ok) return `${identity[pair.of].path}: expected ${pair.expected}, got ${pair.got}`
    try {
      this.#options.onChange(domain, pem)
      return null
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause)
    }
  }
}

function readPair(identity: KeyPairFiles): { certificate: string; key: string } | string {
  const texts: string[] = []
  for (const { path } of [identity.certificate, identity.key]) {
    const read = readText(path)
    if (!read.ok) return `${path}: ${read.failure}`
    texts.push(read.text)
  }
  const [certificate = '', key = ''] = texts
  return { certificate, key }
}

function foldersOf(watched: readonly Watched[]): Set<string> {
  const files = watched.flatMap(({ identity }) => [identity.certificate, identity.key])
  return new Set(files.map(({ path }) => dirname(path)))
}

function digest(certificate: string, key: string): string {
  return createHash('sha256').update(certificate).update('\0').update(key).digest('hex')
}

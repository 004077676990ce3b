import { createHash } from 'node:crypto'
import type { Clock, Limits, Timer } from '../base/index.ts'
import type { DomainConfig, KeyPairFiles } from './config/config.ts'
import { readKeyPair } from './config/key-pair.ts'
import { FileWatch } from './file-watch.ts'
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

/** Watches the certificate and key files of domains. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  readonly #watched: readonly Watched[]
  /** digest of what was last looked at, by domain */
  readonly #seen = new Map<string, string>()
  /** of second looks */
  readonly #timers = new Set<Timer>()
  readonly #files: FileWatch

  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#watched = options.domains.flatMap(domain => {
      const { identity } = domain
      return identity === null ? [] : [{ domain, identity }]
    })
    for (const { domain, identity } of this.#watched) {
      this.#seen.set(domain.name, digest(identity.certificate.pem, identity.key.pem))
    }
    const files = this.#watched.flatMap(({ identity }) => [identity.certificate.path, identity.key.path])
    this.#files = new FileWatch({ ...options, files, onLook: () => this.reload() })
  }

  /** Read all files now. */
  reload(): void {
    for (const watched of this.#watched) this.#reloadOne(watched)
  }

  close(): void {
    this.#files.close()
    for (const timer of this.#timers) timer.cancel()
  }

  #reloadOne({ domain, identity }: Watched): void {
    const pem = readPair(identity)
    const seen = typeof pem === 'string' ? pem : digest(pem.certificate, pem.key)
    if (this.#seen.get(domain.name) === seen) return
    this.#seen.set(domain.name, seen)
    const problem = typeof pem === 'string' ? pem : this.#use({ domain, identity }, pem)
    if (problem !== null) this.#suspect({ domain, identity }, seen, problem)
  }

  /** Two files that are just being written, one after the other, look bad: what is wrong is told where they stay like that. */
  #suspect({ domain, identity }: Watched, seen: string, problem: string): void {
    const { clock, limits, onProblem } = this.#options
    const timer = clock.setTimer(limits.certificateSettleMs, () => {
      this.#timers.delete(timer)
      this.#reloadOne({ domain, identity })
      if (this.#seen.get(domain.name) === seen) onProblem(domain, problem)
    })
    this.#timers.add(timer)
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

function digest(certificate: string, key: string): string {
  return createHash('sha256').update(certificate).update('\0').update(key).digest('hex')
}

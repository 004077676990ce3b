import { isIP } from 'node:net'
import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { AddressBook } from './candidate.ts'
import { type HostMetaDocuments, hostMetaDocuments, type PublishedLink } from './write.ts'

export interface PublishedDomain {
  readonly name: Domain
  /** published with the same url */
  readonly also: readonly Domain[]
  /** null: nothing is published */
  readonly url: string | null
  /** configured addresses; empty: those of the url's host, looked up again and again */
  readonly ips: readonly string[]
  /** where its clients come in, published beside; not without a url. Default: none */
  readonly links?: readonly PublishedLink[]
}

export interface PublisherOptions {
  readonly domains: readonly PublishedDomain[]
  readonly resolver: AddressBook
  readonly limits: Pick<Limits, 'publishedTtlMs' | 'publishedTtlResolvedMs'>
  readonly clock: Clock
}

/** Keeps what our domains publish about themselves true (DECISIONS 11). */
export interface HostMetaPublisher {
  /** Resolves when every host has been looked up once, found or not. */
  start(): Promise<void>
  /** Publish these instead; what is known of their hosts' addresses is said from the first moment on. */
  update(domains: readonly PublishedDomain[]): void
  /** Look up no more; what is published stays. Idempotent. */
  stop(): void
  /** null: none of ours, or it has no url */
  documents(domain: Domain): HostMetaDocuments | null
}

export function createHostMetaPublisher(options: PublisherOptions): HostMetaPublisher {
  return new Publisher(options)
}

class Publisher implements HostMetaPublisher {
  readonly #options: PublisherOptions
  readonly #entries = new Map<Domain, PublishedDomain>()
  readonly #documents = new Map<Domain, HostMetaDocuments>()
  #known: ReadonlyMap<string, readonly string[]> = new Map()
  #stopped = new AbortController()
  #timer: Timer | null = null

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#publish(options.domains)
  }

  async start(): Promise<void> {
    const hosts = new Set(
      [...this.#entries.values()].flatMap(({ url, ips }) =>
        url === null || ips.length > 0 ? [] : [hostOf(url)],
      ),
    )
    if (hosts.size > 0) await this.#refresh(hosts)
  }

  update(domains: readonly PublishedDomain[]): void {
    this.stop()
    this.#stopped = new AbortController()
    this.#publish(domains)
    void this.start()
  }

  stop(): void {
    this.#stopped.abort()
    this.#timer?.cancel()
  }

  documents(domain: Domain): HostMetaDocuments | null {
    return this.#documents.get(domain) ?? null
  }

  #publish(domains: readonly PublishedDomain[]): void {
    this.#entries.clear()
    this.#documents.clear()
    for (const entry of domains)
      for (const domain of [entry.name, ...entry.also]) this.#entries.set(domain, entry)
    this.#write()
  }

  async #refresh(hosts: ReadonlySet<string>): Promise<void> {
    const { resolver, clock, limits } = this.#options
    const { signal } = this.#stopped
    const addresses = new Map<string, readonly string[]>()
    await Promise.all(
      [...hosts].map(async host => {
        const found = await resolver.addressesOf(host, signal)
        // Where DNS does not answer, what it last said is the best guess.
        const known = found.ok ? found.addresses : found.absent ? undefined : this.#known.get(host)
        if (known !== undefined) addresses.set(host, known)
      }),
    )
    if (signal.aborted) return
    this.#known = addresses
    this.#write()
    // Twice within the ttl, so that what a peer keeps was true when it was given.
    this.#timer = clock.setTimer(limits.publishedTtlResolvedMs / 2, () => void this.#refresh(hosts))
  }

  #write(): void {
    const { publishedTtlMs, publishedTtlResolvedMs } = this.#options.limits
    for (const [domain, { url, ips, links = [] }] of this.#entries) {
      if (url === null) continue
      const host = hostOf(url)
      // An address in the URL itself does not move.
      const fixed = ips.length > 0 ? ips : isIP(host) === 0 ? [] : [host]
      const endpoint =
        fixed.length > 0
          ? { url, links, ips: fixed, ttlSeconds: publishedTtlMs / 1_000 }
          : { url, links, ips: this.#known.get(host) ?? [], ttlSeconds: publishedTtlResolvedMs / 1_000 }
      this.#documents.set(domain, hostMetaDocuments(domain, endpoint))
    }
  }
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '')
}

import type { SecureContext } from 'node:tls'
import { createTlsContext } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { Host, StreamHost } from './host.ts'
import type { DomainSettings, KeyPair } from './options.ts'

type AnyHost = Host | StreamHost

/** The local domains: which entry of the options each has, and with which certificate we dial for it. */
export class Locals {
  readonly #ca: readonly string[]
  readonly #owners = new Map<Domain, DomainSettings>()
  /** by entry: our certificate for dialling */
  readonly #contexts = new Map<DomainSettings, SecureContext>()

  /** @param ca PEM, beside Node's roots */
  constructor(entries: readonly DomainSettings[], ca: readonly string[]) {
    this.#ca = ca
    for (const entry of entries) for (const domain of namesOf(entry)) this.set(domain, entry)
  }

  has(domain: Domain): boolean {
    return this.#owners.has(domain)
  }

  find(domain: Domain): DomainSettings | null {
    return this.#owners.get(domain) ?? null
  }

  /** @throws TypeError where it is none of ours */
  of(domain: Domain): DomainSettings {
    const owner = this.#owners.get(domain)
    if (owner === undefined) throw new TypeError(`not a domain of ours: ${domain}`)
    return owner
  }

  /** @throws TypeError where it is none of ours */
  contextOf(domain: Domain): SecureContext {
    const context = this.#contexts.get(this.of(domain))
    if (context === undefined) throw new TypeError(`not a domain of ours: ${domain}`)
    return context
  }

  /** Throws where key and certificate do not fit. */
  setCertificate(domain: Domain, identity: KeyPair): void {
    this.#contexts.set(this.of(domain), createTlsContext({ identity, ca: this.#ca }))
  }

  set(domain: Domain, entry: DomainSettings): void {
    const before = this.#owners.get(domain)
    if (!this.#contexts.has(entry))
      this.#contexts.set(entry, createTlsContext({ identity: entry.identity, ca: this.#ca }))
    this.#owners.set(domain, entry)
    if (before !== undefined) this.#forget(before)
  }

  delete(domain: Domain): void {
    const entry = this.#owners.get(domain)
    this.#owners.delete(domain)
    if (entry !== undefined) this.#forget(entry)
  }

  /** the domains of each host */
  hosts(): Map<AnyHost, Set<Domain>> {
    return hostsOf(this.#owners)
  }

  [Symbol.iterator](): IterableIterator<[Domain, DomainSettings]> {
    return this.#owners.entries()
  }

  #forget(entry: DomainSettings): void {
    if (![...this.#owners.values()].includes(entry)) this.#contexts.delete(entry)
  }
}

export function namesOf({ name, also }: DomainSettings): readonly Domain[] {
  return [name, ...also]
}

export function hostsOf(owners: Iterable<readonly [Domain, DomainSettings]>): Map<AnyHost, Set<Domain>> {
  const hosts = new Map<AnyHost, Set<Domain>>()
  for (const [domain, { host }] of owners) {
    const domains = hosts.get(host)
    if (domains === undefined) hosts.set(host, new Set([domain]))
    else domains.add(domain)
  }
  return hosts
}

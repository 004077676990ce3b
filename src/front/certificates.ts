import { X509Certificate } from 'node:crypto'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { createTlsContext, tlsContextSettings } from '../transport/index.ts'
import { type Domain, toAscii } from '../xmpp/index.ts'

/** A domain of ours as far as HTTP and TLS go. */
export interface FrontDomain {
  readonly name: Domain
  /** further domains with the same certificate and url */
  readonly also: readonly Domain[]
  /** the wss URL of its endpoint; null where it has none here */
  readonly url: string | null
  /** PEM chain, leaf first; both null: no listener does TLS for it */
  readonly certificate: string | null
  readonly key: string | null
}

interface Entry {
  readonly settings: SecureContextOptions
  /** null for the first domain: the listeners' own */
  readonly context: SecureContext | null
  readonly leaf: X509Certificate
}

/** Which certificate a listener shows to whom. Contexts are swapped whole: what is connected stays as it was. */
export class Certificates {
  readonly #ca: readonly string[]
  readonly #roots: 'bundled' | 'none'
  /** by domain, in the order of the configuration */
  readonly #entries = new Map<Domain, Entry>()
  /** host name in lower-case ASCII -> domain whose certificate it gets */
  readonly #names = new Map<string, Domain>()
  /** null: none has a certificate */
  readonly #first: Domain | null

  /**
   * Throws where a key does not fit its certificate.
   * @param ca PEM, what certificates of clients are judged by: beside Node's roots, or alone
   */
  constructor(domains: readonly FrontDomain[], ca: readonly string[], roots: 'bundled' | 'none' = 'bundled') {
    this.#ca = ca
    this.#roots = roots
    const certified = domains.flatMap(({ certificate, key, ...domain }) =>
      certificate === null || key === null ? [] : [{ ...domain, pem: { certificate, key } }],
    )
    this.#first = certified[0]?.name ?? null
    for (const domain of certified) {
      this.#put(domain.name, domain.pem)
      for (const name of [domain.name, ...domain.also]) this.#claim(toAscii(name), domain.name)
    }
    // After all domains, because a domain has a better right to its name than another's URL.
    for (const { name, url } of certified) if (url !== null) this.#claim(new URL(url).hostname, name)
  }

  /** @returns false where the domain is none of ours. Throws where the key does not fit; the old pair stays then. */
  set(domain: Domain, pem: { readonly certificate: string; readonly key: string }): boolean {
    const owner = this.#owner(domain)
    if (owner !== null) this.#put(owner, pem)
    return owner !== null
  }

  /** For peers that send no SNI: the first domain's. Throws where there is none. */
  get fallback(): SecureContextOptions {
    if (this.#first === null) throw new TypeError('TLS is served with a certificate, and no domain has one')
    return this.#entry(this.#first).settings
  }

  isFallback(domain: Domain): boolean {
    return this.#owner(domain) === this.#first
  }

  /**
   * Whatever the peer sent as SNI: exact name, else a certificate that covers it, else the first. Never throws.
   * @returns undefined for the first domain's, which the listener has anyway: choosing a context costs a copy of its
   * authorities' names (docs/design/certificate-request.md).
   */
  choose(servername: string): SecureContext | undefined {
    const name = servername.toLowerCase().replace(/\.$/, '')
    const owner = this.#names.get(name)
    if (owner !== undefined) return this.#entry(owner).context ?? undefined
    for (const entry of this.#entries.values())
      if (covers(entry.leaf, name)) return entry.context ?? undefined
    return undefined
  }

  #put(domain: Domain, pem: { readonly certificate: string; readonly key: string }): void {
    const options = { identity: pem, ca: this.#ca, roots: this.#roots }
    // Throws where the pair does not fit.
    const context = createTlsContext(domain === this.#first ? { ...options, ca: [] } : options)
    this.#entries.set(domain, {
      settings: tlsContextSettings(options),
      context: domain === this.#first ? null : context,
      leaf: new X509Certificate(pem.certificate),
    })
  }

  #claim(name: string, domain: Domain): void {
    if (!this.#names.has(name)) this.#names.set(name, domain)
  }

  #owner(domain: Domain): Domain | null {
    return this.#names.get(toAscii(domain)) ?? null
  }

  #entry(domain: Domain): Entry {
    const entry = this.#entries.get(domain)
    if (entry === undefined) throw new TypeError('a domain without a certificate')
    return entry
  }
}

function covers(leaf: X509Certificate, name: string): boolean {
  try {
    return leaf.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
  } catch {
    // Names that OpenSSL does not take as such: covered by no certificate.
    return false
  }
}

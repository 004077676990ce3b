import type { Clock, Limits, Observer } from '../base/index.ts'
import type { HostMetaDocuments } from '../discovery/index.ts'
import { webSocketAcceptor } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'
import { Admission } from './admission.ts'
import { Certificates, type FrontDomain } from './certificates.ts'
import { type Arrival, type ListenAddress, Listener, type Serving } from './listener.ts'
import { Proxied } from './proxied.ts'
import { type ProxyPath, ProxyPaths } from './proxy-paths.ts'
import { Routes } from './routes.ts'

export interface FrontOptions {
  readonly listen: readonly ListenAddress[]
  /** at least one; the first one's certificate is for peers without SNI */
  readonly domains: readonly FrontDomain[]
  /** PEM, trusted beside Node's roots when client certificates are looked at */
  readonly ca: readonly string[]
  /** what a domain publishes; null: nothing */
  readonly documents: (domain: Domain) => HostMetaDocuments | null
  /** what goes to servers behind, by path; the longest wins, and our own paths before all */
  readonly proxies?: readonly ProxyPath[]
  readonly onTransport: (arrival: Arrival) => void
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
}

export interface Front {
  /** bound addresses, in the order of `listen` */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
  /**
   * New handshakes for the domain use it; what is connected stays. Throws where key and certificate do not fit, or the
   * domain is none of ours; the old pair stays then.
   */
  setCertificate(domain: Domain, pem: { readonly certificate: string; readonly key: string }): void
  /**
   * Serve these domains and paths instead, on the same addresses. Throws as createFront does; nothing has changed then.
   * @returns what puts it in force
   */
  prepare(next: Pick<FrontOptions, 'domains' | 'proxies'>): () => void
  /** Take no new streams or proxied requests and say so on /healthz. Streams are their owner's to end. Idempotent. */
  stop(): void
  /**
   * Listen no more; proxied requests under way may end within `graceMs` (default 0), then what is still connected is
   * cut. Idempotent: the first call's grace holds.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

/** Bind and serve. Rejects, with nothing left bound, where an address cannot be had; throws for a key that does not fit and for
 * a proxied path that is none. */
export async function createFront(options: FrontOptions): Promise<Front> {
  const { limits, clock, observer, onTransport, proxies = [] } = options
  let stopping = false
  let house = furnish(options, options.domains, () => stopping)
  const proxied = new Proxied({ proxies, stopping: () => stopping, observer, limits, clock })
  const shared = {
    proxied,
    admission: new Admission(limits, clock),
    accept: webSocketAcceptor(limits, clock),
    onTransport,
    stopping: () => stopping,
    observer,
    limits,
    clock,
  }
  const listeners = options.listen.map(
    (listen, index) => new Listener({ ...shared, listen, serving: house.at(index) }),
  )
  const bound = await Promise.allSettled(listeners.map(listener => listener.listen()))
  const failed = bound.find(result => result.status === 'rejected')
  const close = (graceMs: number) =>
    Promise.all(listeners.map(listener => listener.close(graceMs))).then(() => {})
  if (failed !== undefined) {
    await close(0)
    throw failed.reason
  }
  let closed: Promise<void> | null = null
  return {
    listening: bound.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])),
    setCertificate(domain, pem) {
      // The first one throws where the pair does not fit.
      for (const store of house.stores)
        if (!store.set(domain, pem)) throw new TypeError(`${domain} is not served here`)
      if (house.certificates.isFallback(domain)) for (const listener of listeners) listener.refresh()
    },
    prepare(next) {
      const nextHouse = furnish(options, next.domains, () => stopping)
      const paths = new ProxyPaths(next.proxies ?? [])
      return () => {
        house = nextHouse
        listeners.forEach((listener, index) => {
          listener.serve(nextHouse.at(index))
        })
        proxied.serve(paths)
      }
    },
    stop() {
      stopping = true
    },
    close({ graceMs = 0 } = {}) {
      stopping = true
      closed ??= close(graceMs)
      return closed
    },
  }
}

/** What the listeners serve for these domains. Throws for a key that does not fit. */
function furnish(
  { listen, ca, documents }: FrontOptions,
  domains: readonly FrontDomain[],
  stopping: () => boolean,
) {
  const certificates = new Certificates(domains, ca)
  const routes = new Routes({ domains, documents, stopping })
  const servings: readonly Serving[] = listen.map(({ proxy }) =>
    proxy === null || proxy.ca === null
      ? { routes, certificates }
      : { routes, certificates: new Certificates(domains, [proxy.ca], 'none') },
  )
  return {
    certificates,
    /** all that are to know of a new pair */
    stores: new Set([certificates, ...servings.map(serving => serving.certificates)]),
    at: (index: number): Serving => servings[index] ?? { routes, certificates },
  }
}

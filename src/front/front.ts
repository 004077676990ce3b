import type { Clock, Limits, Observer } from '../base/index.ts'
import type { HostMetaDocuments } from '../discovery/index.ts'
import { webSocketAcceptor } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'
import { Admission } from './admission.ts'
import { Certificates, type FrontDomain } from './certificates.ts'
import { type Arrival, type ListenAddress, Listener } from './listener.ts'
import { Routes } from './routes.ts'

export interface FrontOptions {
  readonly listen: readonly ListenAddress[]
  /** at least one; the first one's certificate is for peers without SNI */
  readonly domains: readonly FrontDomain[]
  /** PEM, trusted beside Node's roots when client certificates are looked at */
  readonly ca: readonly string[]
  /** what a domain publishes; null: nothing */
  readonly documents: (domain: Domain) => HostMetaDocuments | null
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
  /** Take no new streams and say so on /healthz. Streams are their owner's to end. Idempotent. */
  stop(): void
  /** Listen no more; what is still connected is cut. Idempotent. */
  close(): Promise<void>
}

/** Bind and serve. Rejects, with nothing left bound, where an address cannot be had; throws for a key that does not fit. */
export async function createFront(options: FrontOptions): Promise<Front> {
  const { limits, clock, observer, onTransport, domains } = options
  let stopping = false
  const certificates = new Certificates(domains, options.ca)
  const shared = {
    certificates,
    routes: new Routes({ domains, documents: options.documents, stopping: () => stopping }),
    admission: new Admission(limits, clock),
    accept: webSocketAcceptor(limits, clock),
    onTransport,
    stopping: () => stopping,
    observer,
    limits,
    clock,
  }
  const listeners = options.listen.map(listen => new Listener({ ...shared, listen }))
  const bound = await Promise.allSettled(listeners.map(listener => listener.listen()))
  const failed = bound.find(result => result.status === 'rejected')
  const close = () => Promise.all(listeners.map(listener => listener.close())).then(() => {})
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }
  let closed: Promise<void> | null = null
  return {
    listening: bound.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])),
    setCertificate(domain, pem) {
      if (!certificates.set(domain, pem)) throw new TypeError(`${domain} is not served here`)
      if (certificates.isFallback(domain)) for (const listener of listeners) listener.refresh()
    },
    stop() {
      stopping = true
    },
    close() {
      stopping = true
      closed ??= close()
      return closed
    },
  }
}

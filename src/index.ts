import type { Clock, Event, Limits, Random } from './base/index.ts'
import type { AccountSnapshot, CheckReport, Host } from './federation/index.ts'
import type { Stanza } from './xmpp/index.ts'

/** What a federation is made of. PEM texts, not paths: reading files is the caller's business. */
export interface FederationOptions {
  readonly domains: readonly DomainOptions[]
  readonly listen?: readonly ListenOptions[]
  readonly trust?: {
    /** PEM, beside Node's bundled roots */
    readonly ca?: readonly string[]
    /** PEM intermediates for peers and proxies that drop theirs */
    readonly intermediates?: readonly string[]
  }
  readonly network?: {
    /** CIDR blocks that may be dialled beyond the public internet */
    readonly allowPrivate?: readonly string[]
    /** 'host:port' -> 'address:port': where the socket goes; TLS and HTTP unchanged */
    readonly connect?: Readonly<Record<string, string>>
  }
  /** static, ahead of discovery */
  readonly endpoints?: readonly { readonly domain: string; readonly url: string }[]
  readonly limits?: Partial<Limits>
  readonly clock?: Clock
  readonly random?: Random
  /** called for every event from the first one on */
  readonly onEvent?: (event: Event) => void
}

export interface DomainOptions {
  readonly name: string
  /** further domains with the same host, certificate and url */
  readonly also?: readonly string[]
  /** the wss URL at which peers reach the domain; without it the domain only dials out */
  readonly url?: string
  /** addresses to publish in host-meta.json (DECISIONS 11) */
  readonly ips?: readonly string[]
  /** PEM chain, leaf first */
  readonly certificate: string
  /** PEM private key */
  readonly key: string
  readonly host: Host
}

export interface ListenOptions {
  /** 'address:port' or '[address]:port'; port 0 takes a free one */
  readonly address: string
  readonly clientCertificates?: 'request' | 'off'
}

export interface Federation {
  /** bound addresses, in the order of `listen` */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
  /** Send from one of our domains. Resolves when there is room for the next; failures come back as error stanzas. */
  send(stanza: Stanza, options?: { signal?: AbortSignal }): Promise<void>
  account(): AccountSnapshot
  /** Walk to `remote` as `local`, afresh: no pool, cache or back-off (DECISIONS 30). */
  check(
    remote: string,
    options: { local: string; signal: AbortSignal; onStage?: (stage: CheckReport['stages'][number]) => void },
  ): Promise<CheckReport>
  /** New handshakes use it; streams stay. Throws where key and certificate do not fit; the old one stays then. */
  setCertificate(domain: string, pem: { certificate: string; key: string }): void
  subscribe(subscriber: (event: Event) => void): () => void
  /** system-shutdown to every stream, closes, hosts stopped. Resolves within the budget. Idempotent. */
  close(options?: { deadlineMs?: number }): Promise<void>
}

import type { ReferenceNames } from '../identity/index.ts'
import type { Domain, Failure } from '../xmpp/index.ts'

/** One way to reach a domain, complete: whoever dials it needs to look nothing up but addresses. */
export interface Candidate {
  readonly kind: 'websocket'
  /** wss URL; its authority is the Host header (WS-10) */
  readonly url: string
  /** A-label or IP literal, and port, of the URL */
  readonly host: string
  readonly port: number
  /** where to connect, from XEP-0487 `ips`; null: resolve `host` */
  readonly addresses: readonly string[] | null
  /** SNI to send; '' for none (CT-12) */
  readonly servername: string
  /** the names that its certificate may bear */
  readonly names: ReferenceNames
  readonly source: 'static' | 'host-meta' | 'redirect'
}

export type Discovered =
  | {
      readonly ok: true
      /** in the order to try; never empty */
      readonly candidates: readonly Candidate[]
      /** for a person: 'static', 'host-meta.json (XEP-0487)', 'host-meta (XRD)', '… (stale)' */
      readonly source: string
    }
  | { readonly ok: false; readonly failure: Failure }

export interface Discovery {
  /**
   * Ordered candidates for `domain`. One look-up per domain at a time, cached; never throws.
   * @param options.fresh walk anew, touching no cache (check)
   */
  discover(domain: Domain, options: { signal: AbortSignal; fresh?: boolean }): Promise<Discovered>
  /** the cached answer led nowhere: look again next time */
  forget(domain: Domain): void
  /** the domain's server has just proven itself to us: that nothing was found there counts no longer */
  reconsider(domain: Domain): void
}

/** Where a socket may go. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

export type Resolved =
  | { readonly ok: true; readonly endpoints: readonly Endpoint[] }
  | { readonly ok: false; readonly failure: Failure }

/**
 * Turns host and port into vetted endpoints (DS-60, DECISIONS 26): applies `[network] connect`, resolves, refuses what
 * the address guard refuses. Connect to exactly what it returns.
 */
export interface Resolver {
  resolve(
    host: string,
    port: number,
    addresses: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<Resolved>
}

/** What others see of a name: DNS behind the address guard, `[network] connect` aside. */
export interface AddressBook {
  addressesOf(
    host: string,
    signal: AbortSignal,
  ): Promise<
    | { readonly ok: true; readonly addresses: readonly string[] }
    | {
        readonly ok: false
        readonly failure: Failure
        /** it has none; not merely that nobody knew */
        readonly absent: boolean
      }
  >
}

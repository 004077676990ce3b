import type { Clock, Limits } from '../base/index.ts'
import type { Domain, Stanza, StanzaCondition, StanzaErrorType } from '../xmpp/index.ts'

/** A host's answer for one stanza. `taken`: the host is responsible now. Otherwise we bounce it with the condition. */
export type Delivery =
  | { readonly taken: true }
  | {
      readonly taken: false
      readonly condition: StanzaCondition
      readonly type?: StanzaErrorType
      readonly text?: string
    }

/** What federation gives to a host. */
export interface HostContext {
  /**
   * Send a stanza from one of the host's domains. Accepted stanzas end in one of the outcomes of DECISIONS 23.
   * @returns undefined: accepted, go on. A promise: accepted, but wait for it before the next (backpressure).
   * @throws TypeError where `from` is not of this host's domains: a defect of the host.
   */
  send(stanza: Stanza): Promise<void> | undefined
  readonly domains: ReadonlySet<Domain>
  /** what the host waits by */
  readonly clock: Clock
  /** of the federation that it serves in */
  readonly limits: Limits
}

/**
 * Who answers for local domains. Implementations live in hosts/; each runs against the compliance kit
 * (test/kit/host-compliance.ts).
 */
export interface Host {
  /** 'embedded', 'server', 'component' */
  readonly name: string
  start(context: HostContext): void | Promise<void>
  /**
   * Called in order for each stanza to one of its domains. A promise slows the stream that the stanza came on, not
   * others: of a peer's stream, the next one comes when it has settled. Between local domains the next one may come
   * before, where the host has been told to wait by `send` meanwhile. A rejection or throw counts as
   * internal-server-error and is reported once.
   */
  deliver(stanza: Stanza): Delivery | Promise<Delivery>
  /** No deliver is called after it; resolves within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

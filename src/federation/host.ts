import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { Custody } from '../session/index.ts'
import type { Domain, DomainPair, Stanza, StanzaCondition, StanzaErrorType } from '../xmpp/index.ts'
import type { Connect } from './connect.ts'

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
   * Send a stanza from one of the host's domains, to any domain. Accepted stanzas end in one of the outcomes of DECISIONS 23.
   * @returns undefined: accepted, go on. A promise: accepted, but wait for it before the next (backpressure).
   * @param custody of the stream that has brought it, where its sender is to hear who has it; absent: nobody is
   * @throws TypeError where `from` is not of this host's domains: a defect of the host.
   */
  send(stanza: Stanza, custody?: Custody | null): Promise<void> | undefined
  /** the host's own; changes where the federation is reconfigured */
  readonly domains: ReadonlySet<Domain>
  /** Whether any host of this federation serves the domain. */
  isLocal(domain: Domain): boolean
  /**
   * For a StreamHost whose server has just come to it for this pair (`local`: the remote domain that we speak for,
   * `remote`: the server's own): the way to it backs off no longer.
   */
  peerIsUp(pair: DomainPair): void
  /** what the host waits by */
  readonly clock: Clock
  readonly random: Random
  /** of the federation that it serves in */
  readonly limits: Limits
  readonly observer: Observer
}

/**
 * Who answers for local domains, one stanza after the other. Implementations live in hosts/; each runs against the compliance kit
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
  /** It has one more domain, which is in `domains` from now on. Absent: it keeps nothing by domain. */
  serve?(domain: Domain): void
  /** It has one less, to which nothing is delivered any more; resolves within `deadlineMs`. */
  leave?(domain: Domain, deadlineMs: number): Promise<void>
  /** No deliver is called after it; resolves within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

/**
 * A server of its own that answers for local domains and is reached by streams, one a pair. Federation keeps their queues,
 * order, retry and account, as for other domains; what the server sends comes by `HostContext.send`.
 */
export interface StreamHost {
  /** 'server' */
  readonly name: string
  start(context: HostContext): void | Promise<void>
  /** Open a stream to one of the host's domains (`pair.remote`) that speaks for `pair.local`; see Connect. */
  readonly connect: Connect
  /**
   * No more stanzas from the server: end the streams that bring them, in order, spread over `staggerMs`. Resolves when
   * they have ended, by force after `deadlineMs`. New streams may still ask for what `connect` needs (dialback verify).
   * @param of one of the host's domains, which it is about to lose: only its streams end; absent: all
   */
  endInbound(staggerMs: number, deadlineMs: number, of?: Domain): Promise<void>
  /** see Host */
  serve?(domain: Domain): void
  /** see Host; its streams of `connect` end elsewhere */
  leave?(domain: Domain, deadlineMs: number): Promise<void>
  /** All streams of `connect` have ended, and none is asked for any more; resolves within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

/** Which of the two a host is: one that delivers has no streams for us to keep. */
export function isStreamHost(host: Host | StreamHost): host is StreamHost {
  return !('deliver' in host)
}

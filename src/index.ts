import { type Event, Observer } from './base/index.ts'
import { systemClock, systemRandom } from './base/system.ts'
import { createDiscovery, createHostMetaPublisher, createResolver } from './discovery/index.ts'
import {
  type AccountSnapshot,
  type CheckReport,
  FederationCore,
  type FederationOptions,
  fixedDifferences,
  publishedDomains,
  readOptions,
  type Settings,
  type Stage,
} from './federation/index.ts'
import { type Arrival, createFront, type Front, sourceOf } from './front/index.ts'
import { startInitiating, startReceiving } from './session/index.ts'
import { type Domain, notFederable, parseDomain, type Stanza } from './xmpp/index.ts'

export type { Clock, Event, EventName, Events, LimitName, Limits, Random } from './base/index.ts'
export { defaultLimits, LIMITS } from './base/index.ts'
export type {
  AccountSnapshot,
  CheckReport,
  Delivery,
  DomainOptions,
  FederationOptions,
  Host,
  HostContext,
  ListenOptions,
  ProofReport,
  ProxyOptions,
  Stage,
  StageName,
  StreamHost,
} from './federation/index.ts'
export {
  type ComponentOptions,
  component,
  type EmbeddedHost,
  type EmbeddedOptions,
  embedded,
  type IqHandler,
  type MessageTools,
  type ServerSecurity,
  type XmppServerHost,
  type XmppServerOptions,
  xmppServer,
} from './hosts/index.ts'
export { type Authority, type AuthorityOptions, createAuthority, loadAuthority } from './identity/index.ts'
export type { Attribute, Element } from './xml/index.ts'
export {
  bounce,
  type Domain,
  describe,
  element,
  type Failure,
  type FailureId,
  failureId,
  formatJid,
  iq,
  type Jid,
  message,
  NS,
  parseDomain,
  parseJid,
  presence,
  resultOf,
  type Stanza,
  type StanzaCondition,
  type StanzaError,
  type StanzaKind,
  stanzaFromElement,
} from './xmpp/index.ts'

/** A running federation: its domains, their streams and their listeners. Nothing in it is global. */
export interface Federation {
  /** bound addresses, in the order of `listen` */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
  /**
   * Send from one of our domains. Resolves when there is room for the next; failures come back as error stanzas.
   * Rejects with the reason of `signal`: where it was aborted before the call, nothing was accepted; later, only the
   * waiting ends.
   * @throws TypeError (a rejection) where `from` is none of our domains
   */
  send(stanza: Stanza, options?: { readonly signal?: AbortSignal }): Promise<void>
  /** what became of every stanza so far (DECISIONS 23) */
  account(): AccountSnapshot
  /** Walk to `remote` as `local`, afresh: no pool, cache or back-off (DECISIONS 30). */
  check(
    remote: string,
    options: {
      readonly local: string
      readonly signal: AbortSignal
      readonly onStage?: (stage: Stage) => void
    },
  ): Promise<CheckReport>
  /**
   * Whether a domain is one that we reach, or are reached from, over WebSocket: it has a stream with us, or discovery finds
   * an endpoint. False for our own domains, and for texts that are none.
   */
  isOnWebSocket(domain: string, options: { readonly signal: AbortSignal }): Promise<boolean>
  /** New handshakes use it; streams stay. Throws where key and certificate do not fit; the old one stays then. */
  setCertificate(domain: string, pem: { readonly certificate: string; readonly key: string }): void
  /**
   * Become what these options say: domains (each with its host, certificate and url) and proxied paths may differ, without a
   * word to the streams of others. New hosts are started first; a domain that is gone, or has another host, is drained
   * within `limits.drainMs`. A host of the former options goes on where the same object is given. Resolves when what goes
   * has ended. One at a time: later calls wait.
   * Rejects as createFederation does, and with a TypeError that names the options that cannot be changed while it runs;
   * all stays as it was then.
   */
  reconfigure(options: FederationOptions): Promise<void>
  /** @returns a function that ends the subscription; idempotent */
  subscribe(subscriber: (event: Event) => void): () => void
  /** system-shutdown to every stream, closes, hosts stopped. Resolves within the budget (`limits.drainMs`). Idempotent. */
  close(options?: { readonly deadlineMs?: number }): Promise<void>
}

/**
 * Serve domains: hosts started, listeners bound, streams dialled and taken from then on.
 * Rejects with a TypeError that names every problem of the options at once, with what a host throws, and with Node's
 * error where an address cannot be had; nothing is left running then.
 */
export async function createFederation(options: FederationOptions): Promise<Federation> {
  const settings = readOptions(options)
  const { clock = systemClock, random = systemRandom } = options
  const { limits, trust } = settings
  const observer = new Observer()
  if (options.onEvent !== undefined) observer.subscribe(options.onEvent)

  const resolver = createResolver({ ...settings, clock })
  const discovery = createDiscovery({ ...settings, resolver, observer, clock, random })
  const publisher = createHostMetaPublisher({ domains: publishedDomains(settings), resolver, limits, clock })
  const core = new FederationCore({
    settings,
    discovery,
    resolver,
    startInitiating: stream => startInitiating({ ...stream, clock, random, limits }),
    observer,
    clock,
    random,
  })
  const isLocal = (domain: Domain) => core.isServed(domain)

  const onTransport = (arrival: Arrival) => {
    const { transport } = arrival
    const dialback = core.dialback(sourceOf(transport.facts.remoteAddress))
    const keys = dialback === undefined ? {} : { dialback }
    const management = settings.streamManagement ? { management: { resumable: true } } : {}
    const shared = { transport, isLocal, trust, bidi: true, ...management, observer, clock, random, limits }
    const session = core.accept(
      handler => startReceiving({ ...shared, ...keys, handler }),
      () => arrival.authenticated(),
    )
    arrival.onEvict = () => session.end(EVICTED)
  }

  await core.start()
  let front: Front | null = null
  try {
    // Not waited for: DNS may be silent for long, and until it speaks only the hint of our addresses is missing.
    void publisher.start()
    if (settings.listen.length > 0) {
      const { listen, ca, proxies } = settings
      const domains = frontDomains(settings)
      const documents = (domain: Domain) => publisher.documents(domain)
      front = await createFront({
        listen,
        domains,
        ca,
        proxies,
        documents,
        onTransport,
        observer,
        limits,
        clock,
      })
    }
  } catch (problem) {
    publisher.stop()
    await core.close(0)
    throw problem
  }
  const listening = front?.listening ?? []

  const close = async (deadlineMs: number) => {
    const startMs = clock.monotonicMs()
    observer.publish({ type: 'stopping', deadlineMs })
    publisher.stop()
    front?.stop()
    await core.close(deadlineMs)
    // Proxied requests under way have what the streams have left of the budget.
    await front?.close({ graceMs: startMs + deadlineMs - clock.monotonicMs() })
    observer.publish({ type: 'stopped', ms: clock.monotonicMs() - startMs, ...core.account() })
  }
  let closed: Promise<void> | null = null

  let inForce = options
  const reconfigure = async (next: FederationOptions) => {
    if (closed !== null) throw new TypeError('the federation is closed')
    const { domains, proxies, ...rest } = readOptions(next)
    const fixed = fixedDifferences(inForce, next)
    if (fixed.length > 0) throw new TypeError(`not changed while it runs: ${fixed.join(', ')}`)
    const open = front?.prepare({ domains: frontDomains({ domains }), proxies })
    const prepared = await core.prepare(domains)
    if (closed !== null) {
      await prepared.cancel()
      throw new TypeError('the federation is closed')
    }
    // From here on nothing fails.
    inForce = next
    const drained = prepared.apply()
    open?.()
    publisher.update(publishedDomains({ ...rest, domains, proxies }))
    const { added, removed, moved } = prepared.change
    observer.publish({ type: 'reconfigured', added, removed, moved })
    await drained
  }
  let changing: Promise<unknown> = Promise.resolve()

  return {
    listening,
    send: (stanza, { signal } = {}) => sendWithin(core, stanza, signal),
    account: () => core.account(),
    async check(remote, walk) {
      return core.check(remote, walk)
    },
    async isOnWebSocket(domain, { signal }) {
      const name = parseDomain(domain)
      if (name === null || isLocal(name) || notFederable(name) !== null) return false
      return core.hasStreamWith(name) || (await discovery.discover(name, { signal })).ok
    },
    setCertificate(domain, pem) {
      const name = parseDomain(domain)
      if (name === null) throw new TypeError(`not a domain: ${domain}`)
      core.setCertificate(name, pem)
      front?.setCertificate(name, pem)
    },
    reconfigure(next) {
      const changed = changing.then(() => reconfigure(next))
      changing = changed.catch(() => {})
      return changed
    },
    subscribe: subscriber => observer.subscribe(subscriber),
    close({ deadlineMs = limits.drainMs } = {}) {
      closed ??= close(deadlineMs)
      return closed
    },
  }
}

function frontDomains({ domains }: Pick<Settings, 'domains'>) {
  return domains.map(({ identity, ...domain }) => ({
    ...domain,
    certificate: identity?.certificate ?? null,
    key: identity?.key ?? null,
  }))
}

async function sendWithin(core: FederationCore, stanza: Stanza, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const room = core.send(stanza)
  if (room === undefined || signal === undefined) return room
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    void room.then(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}

const EVICTED = {
  by: 'us',
  kind: 'overload',
  detail: 'too many connections have not authenticated; this one is the oldest',
} as const

import type { SecureContext } from 'node:tls'
import type { Clock, Observer, Random } from '../base/index.ts'
import type { Discovery, Resolver } from '../discovery/index.ts'
import type { Session, SessionHandler } from '../session/index.ts'
import { createTlsContext } from '../transport/index.ts'
import { type Domain, parseDomain, type Stanza } from '../xmpp/index.ts'
import type { AccountSnapshot } from './account.ts'
import { type CheckReport, type Stage, type WalkDeps, walk } from './check.ts'
import { createConnect, type StartInitiating } from './dial.ts'
import { within } from './drain.ts'
import { type Host, type HostContext, isStreamHost, type StreamHost } from './host.ts'
import { Inbound } from './inbound.ts'
import type { DomainSettings, Settings } from './options.ts'
import { STOPPING } from './reasons.ts'
import { Router } from './router.ts'

export interface FederationDeps {
  readonly settings: Settings
  readonly discovery: Discovery
  readonly resolver: Resolver
  readonly startInitiating: StartInitiating
  readonly observer: Observer
  readonly clock: Clock
  readonly random: Random
}

/** Hosts, routes and streams of all local domains: everything but the door through which peers come in. */
export class FederationCore {
  readonly #deps: FederationDeps
  readonly #router: Router
  readonly #inbound: Inbound
  readonly #walkDeps: WalkDeps
  /** which entry of the options serves a domain */
  readonly #owners = new Map<Domain, DomainSettings>()
  /** by entry: our certificate for dialling */
  readonly #contexts = new Map<DomainSettings, SecureContext>()
  /** the walk under way, and those that wait for it */
  #walks: Promise<unknown> = Promise.resolve()

  constructor(deps: FederationDeps) {
    this.#deps = deps
    const { settings, observer, clock, random } = deps
    const { limits, trust } = settings
    const hosts = new Map<Domain, Host | StreamHost>()
    for (const entry of settings.domains) {
      this.#contexts.set(entry, createTlsContext({ identity: entry, ca: settings.ca }))
      for (const domain of [entry.name, ...entry.also]) {
        this.#owners.set(domain, entry)
        hosts.set(domain, entry.host)
      }
    }
    const dialDeps = { ...deps, trust, limits, secureContext: (local: Domain) => this.#contextOf(local) }
    const connect = createConnect(dialDeps)
    this.#router = new Router({ hosts, connect, observer, limits, clock, random, schedule: setImmediate })
    this.#inbound = new Inbound({ router: this.#router, limits, clock })
    const urlOf = (local: Domain) => this.#owners.get(local)?.url ?? null
    this.#walkDeps = { ...dialDeps, inbound: this.#inbound, urlOf }
  }

  /** Start each host, once, with all its domains. Rejects with what a host throws, after stopping those that started. */
  async start(): Promise<void> {
    const started: (Host | StreamHost)[] = []
    try {
      for (const [host, domains] of this.#hosts()) {
        await host.start(this.#contextFor(domains))
        started.push(host)
      }
    } catch (defect) {
      await Promise.all(started.map(host => host.stop(this.#deps.settings.limits.closeMs)))
      throw defect
    }
  }

  /** A peer's stream; see Inbound.accept. */
  accept(start: (handler: SessionHandler) => Session, onAuthenticated: () => void): Session {
    return this.#inbound.accept(start, onAuthenticated)
  }

  /** @throws TypeError where `from` is none of our domains */
  send(stanza: Stanza): Promise<void> | undefined {
    if (!this.#owners.has(stanza.from.domain))
      throw new TypeError(`not a domain of ours: ${stanza.from.domain}`)
    return this.#router.send(stanza)
  }

  /** a proven stream that the remote domain has opened, to any of ours */
  hasStreamWith(remote: Domain): boolean {
    return this.#inbound.hasFrom(remote)
  }

  account(): AccountSnapshot {
    return this.#router.account()
  }

  /** One walk at a time; see Federation.check. */
  check(
    remote: string,
    options: { local: string; signal: AbortSignal; onStage?: (stage: Stage) => void },
  ): Promise<CheckReport> {
    const pair = { local: parseDomain(options.local), remote: parseDomain(remote) }
    if (pair.local === null || !this.#owners.has(pair.local))
      throw new TypeError(`not a domain of ours: ${options.local}`)
    if (pair.remote === null) throw new TypeError(`not a domain: ${remote}`)
    const { local, remote: there } = { local: pair.local, remote: pair.remote }
    const walking = this.#walks.then(() => walk(this.#walkDeps, { local, remote: there }, options))
    this.#walks = walking.catch(() => {})
    return walking
  }

  /** For the streams that we open from now on. Throws where key and certificate do not fit. */
  setCertificate(domain: Domain, pem: { readonly certificate: string; readonly key: string }): void {
    const owner = this.#owners.get(domain)
    if (owner === undefined) throw new TypeError(`not a domain of ours: ${domain}`)
    this.#contexts.set(owner, createTlsContext({ identity: pem, ca: this.#deps.settings.ca }))
  }

  /**
   * End everything in an order that loses nothing: streams that bring stanzas, then hosts in this process, then streams
   * that take stanzas: first those to servers of ours, as what they leave in doubt is told to peers.
   * What does not end in its share of the budget is ended by force.
   */
  async close(deadlineMs: number): Promise<void> {
    const { clock, settings } = this.#deps
    const untilMs = clock.monotonicMs() + deadlineMs
    const left = (share: number) => Math.max(0, (untilMs - clock.monotonicMs()) * share)
    const staggerMs = Math.min(settings.limits.drainStaggerMs, deadlineMs * STAGGER_SHARE)
    const router = this.#router
    const { pool, legs } = router
    const all = [...this.#hosts().keys()]
    const streamHosts = all.filter(isStreamHost)
    const during = (ms: number, ...work: readonly Promise<unknown>[]) => within(Promise.all(work), ms, clock)

    pool.stopDialling()
    const inboundMs = left(INBOUND_SHARE)
    const ends = streamHosts.map(host => during(inboundMs, host.endInbound(staggerMs, inboundMs)))
    await Promise.all([this.#inbound.end(staggerMs, inboundMs), ...ends])
    await during(left(SETTLE_SHARE), router.settled(), pool.drained(), legs.drained())
    // What no stream takes goes back while there is somebody to take it.
    pool.bounceWaiting(STOPPING)
    await during(left(SETTLE_SHARE), router.settled(), legs.drained())
    legs.stopDialling()
    legs.bounceWaiting(STOPPING)
    await during(left(SETTLE_SHARE), router.settled())
    router.stopDelivering()
    const stop = (hosts: readonly (Host | StreamHost)[], ms: number) =>
      during(ms, ...hosts.map(host => host.stop(ms)))
    const inProcess = all.filter(host => !isStreamHost(host))
    await stop(inProcess, left(HOSTS_SHARE))
    await legs.end(STOPPING, staggerMs, left(LEGS_SHARE))
    await Promise.all([pool.end(STOPPING, staggerMs, left(1)), stop(streamHosts, left(1))])
  }

  #hosts(): Map<Host | StreamHost, Set<Domain>> {
    const hosts = new Map<Host | StreamHost, Set<Domain>>()
    for (const [domain, { host }] of this.#owners) {
      const domains = hosts.get(host)
      if (domains === undefined) hosts.set(host, new Set([domain]))
      else domains.add(domain)
    }
    return hosts
  }

  #contextFor(domains: ReadonlySet<Domain>): HostContext {
    const router = this.#router
    const { clock, random, observer, settings } = this.#deps
    return {
      domains,
      clock,
      random,
      observer,
      limits: settings.limits,
      isLocal: domain => this.#owners.has(domain),
      peerIsUp: pair => router.peerIsUp(pair),
      send(stanza) {
        if (!domains.has(stanza.from.domain))
          throw new TypeError(`not a domain of this host: ${stanza.from.domain}`)
        return router.send(stanza)
      },
    }
  }

  #contextOf(local: Domain): SecureContext {
    const owner = this.#owners.get(local)
    const context = owner === undefined ? undefined : this.#contexts.get(owner)
    if (context === undefined) throw new TypeError(`not a domain of ours: ${local}`)
    return context
  }
}

// Shares of what is left of the budget: peers and hosts that answer need milliseconds, those that do not get these.
const INBOUND_SHARE = 0.4
const SETTLE_SHARE = 0.2
const HOSTS_SHARE = 0.4
const LEGS_SHARE = 0.5
const STAGGER_SHARE = 0.1

import type { Clock, Observer, Random } from '../base/index.ts'
import type { Discovery, Resolver } from '../discovery/index.ts'
import type { Session, SessionHandler } from '../session/index.ts'
import {
  type DialbackOutcome,
  type DialbackSecret,
  dialbackSecret,
  type Verification,
} from '../stream/index.ts'
import { type Domain, parseDomain, type Stanza } from '../xmpp/index.ts'
import type { AccountSnapshot } from './account.ts'
import { Answers } from './answers.ts'
import { type Change, changeOf } from './change.ts'
import { type CheckReport, walk } from './check.ts'
import type { Stage, WalkDeps } from './check-stages.ts'
import { closeInOrder, leaveInOrder } from './closing.ts'
import { createConnect, type Means, type StartInitiating } from './dial.ts'
import type { Host, HostContext, StreamHost } from './host.ts'
import { Inbound } from './inbound.ts'
import { Locals } from './locals.ts'
import type { DomainSettings, Settings } from './options.ts'
import { GONE, STOPPING } from './reasons.ts'
import { Router } from './router.ts'
import { Verifier } from './verifier.ts'

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
  readonly #verifier: Verifier
  /** what keys are made of; null: dialback is off */
  readonly #secret: DialbackSecret | null
  readonly #locals: Locals
  /** every host that runs, and its domains */
  readonly #hosts: Map<Host | StreamHost, Set<Domain>>
  /** local domains of which no new streams are taken */
  readonly #leaving = new Set<Domain>()
  /** the walk under way, and those that wait for it */
  #walks: Promise<unknown> = Promise.resolve()

  constructor(deps: FederationDeps) {
    this.#deps = deps
    const { settings, discovery, observer, clock, random } = deps
    const { limits, trust, streamManagement } = settings
    const locals = new Locals(settings.domains, settings.ca)
    this.#locals = locals
    this.#hosts = locals.hosts()
    this.#secret = secretOf(settings, random)
    const dialDeps = {
      ...deps,
      trust,
      limits,
      streamManagement,
      secureContext: (local: Domain) => locals.contextOf(local),
      meansOf: (local: Domain) => this.#meansOf(local),
    }
    this.#verifier = new Verifier(dialDeps)
    const connect = createConnect(dialDeps)
    const answers = new Answers()
    const isReachable = (local: Domain) => locals.of(local).reachable
    this.#router = new Router({
      hosts: new Map([...locals].map(([domain, { host }]) => [domain, host])),
      connect,
      isReachable,
      answers,
      observer,
      limits,
      clock,
      random,
      schedule: setImmediate,
    })
    const isServed = (local: Domain) => this.isServed(local)
    this.#inbound = new Inbound({ router: this.#router, discovery, limits, clock, isServed })
    const urlOf = (local: Domain) => locals.find(local)?.url ?? null
    const walked = { router: this.#router, inbound: this.#inbound, answers, urlOf, isReachable }
    this.#walkDeps = { ...dialDeps, ...walked }
  }

  /** Start each host, once, with all its domains. Rejects with what a host throws, after stopping those that started. */
  start(): Promise<void> {
    return this.#start(this.#hosts)
  }

  /** Whether it is a local domain that streams are taken for. */
  isServed(domain: Domain): boolean {
    return this.#locals.has(domain) && !this.#leaving.has(domain)
  }

  /**
   * Start the hosts that are new among `domains`. Rejects with what one throws; nothing has changed then. One at a time: not
   * before `apply` of the last one has resolved.
   */
  async prepare(domains: readonly DomainSettings[]): Promise<Prepared> {
    const change = changeOf(this.#locals, domains)
    const fresh = new Map([...change.fresh].map(([host, names]) => [host, new Set(names)]))
    await this.#start(fresh)
    return {
      change,
      cancel: () => this.#stop([...fresh.keys()]),
      apply: () => {
        for (const [host, names] of fresh) this.#hosts.set(host, names)
        return this.#apply(change)
      },
    }
  }

  /** What a receiving stream does about keys; undefined: nothing. */
  dialback(source: string): ReceivingDialback | undefined {
    if (this.#secret === null) return undefined
    return {
      secret: this.#secret,
      verify: (verification, signal) => this.#verifier.verify(verification, source, signal),
    }
  }

  /** A peer's stream; see Inbound.accept. */
  accept(start: (handler: SessionHandler) => Session, onAuthenticated: () => void): Session {
    return this.#inbound.accept(start, onAuthenticated)
  }

  /** @throws TypeError where `from` is none of our domains */
  send(stanza: Stanza): Promise<void> | undefined {
    if (!this.#locals.has(stanza.from.domain))
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
    if (pair.local === null || !this.#locals.has(pair.local))
      throw new TypeError(`not a domain of ours: ${options.local}`)
    if (pair.remote === null) throw new TypeError(`not a domain: ${remote}`)
    const { local, remote: there } = { local: pair.local, remote: pair.remote }
    const walking = this.#walks.then(() => walk(this.#walkDeps, { local, remote: there }, options))
    this.#walks = walking.catch(() => {})
    return walking
  }

  /** For the streams that we open from now on. Throws where key and certificate do not fit. */
  setCertificate(domain: Domain, pem: { readonly certificate: string; readonly key: string }): void {
    this.#locals.setCertificate(domain, pem)
  }

  /** See closeInOrder. */
  close(deadlineMs: number): Promise<void> {
    const { clock, settings } = this.#deps
    const hosts = [...this.#hosts.keys()]
    const closing = { router: this.#router, inbound: this.#inbound, hosts, limits: settings.limits, clock }
    return closeInOrder(closing, deadlineMs)
  }

  async #start(hosts: ReadonlyMap<Host | StreamHost, ReadonlySet<Domain>>): Promise<void> {
    const started: (Host | StreamHost)[] = []
    try {
      for (const [host, domains] of hosts) {
        await host.start(this.#contextFor(domains))
        started.push(host)
      }
    } catch (defect) {
      await this.#stop(started)
      throw defect
    }
  }

  async #stop(hosts: readonly (Host | StreamHost)[]): Promise<void> {
    await Promise.all(hosts.map(host => host.stop(this.#deps.settings.limits.closeMs)))
  }

  /** In force with the return; resolves once what goes has ended, and what moves is served again. */
  async #apply(change: Change): Promise<void> {
    const { entries, removed, moved, idle, parting } = change
    for (const domain of [...removed, ...moved]) this.#leaving.add(domain)
    for (const [domain, entry] of entries) {
      if (moved.includes(domain)) continue
      const isNew = !this.#locals.has(domain)
      this.#locals.set(domain, entry)
      if (isNew) this.#serve(domain, entry)
    }
    if (this.#leaving.size === 0) return

    const { clock, settings } = this.#deps
    const { limits } = settings
    const parts = { router: this.#router, inbound: this.#inbound, limits, clock }
    const domains = new Set(this.#leaving)
    // Whoever moves is there again in a moment; peers of one that goes hear so when they come again.
    const failure = moved.length > 0 ? STOPPING : GONE
    await leaveInOrder({ ...parts, hosts: idle, parting, domains, failure }, limits.drainMs)
    for (const host of idle) this.#hosts.delete(host)
    for (const [host, names] of parting) for (const name of names) this.#hosts.get(host)?.delete(name)
    for (const domain of removed) this.#locals.delete(domain)
    for (const domain of moved) {
      const entry = entries.get(domain)
      if (entry === undefined) continue
      this.#locals.set(domain, entry)
      this.#serve(domain, entry)
    }
    this.#leaving.clear()
  }

  #serve(domain: Domain, { host }: DomainSettings): void {
    const domains = this.#hosts.get(host)
    // One that has just been started knows.
    if (domains?.has(domain) === false) {
      domains.add(domain)
      host.serve?.(domain)
    }
    this.#router.serve(domain, host)
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
      isLocal: domain => this.#locals.has(domain),
      peerIsUp: pair => router.peerIsUp(pair),
      send(stanza, custody = null) {
        if (!domains.has(stanza.from.domain))
          throw new TypeError(`not a domain of this host: ${stanza.from.domain}`)
        return router.send(stanza, custody)
      },
    }
  }

  #meansOf(local: Domain): Means {
    const { identity, reachable } = this.#locals.of(local)
    return {
      certificate: identity !== null,
      // DB-46: whoever is shown a key calls back.
      dialback: reachable ? this.#secret : null,
      bidi: this.#deps.settings.bidi ?? !reachable,
    }
  }
}

/** Of local domains that are to change: hosts that are new have been started. */
export interface Prepared {
  readonly change: Change
  /** Stop them again; nothing changes. */
  cancel(): Promise<void>
  /** In force with the return. Resolves once what goes has ended: within `limits.drainMs`. */
  apply(): Promise<void>
}

/** See ReceivingSessionOptions. */
interface ReceivingDialback {
  readonly secret: DialbackSecret
  readonly verify: (verification: Verification, signal: AbortSignal) => Promise<DialbackOutcome>
}

/** DB-02 */
function secretOf({ dialback }: Settings, random: Random): DialbackSecret | null {
  return dialback === null ? null : dialbackSecret(dialback.secret ?? random.bytes(SECRET_BYTES))
}

const SECRET_BYTES = 32

import type { SecureContext } from 'node:tls'
import type { Clock, Observer, Random } from '../base/index.ts'
import type { Discovery, Resolver } from '../discovery/index.ts'
import type { Session, SessionHandler } from '../session/index.ts'
import {
  type DialbackOutcome,
  type DialbackSecret,
  dialbackSecret,
  type Verification,
} from '../stream/index.ts'
import { createTlsContext } from '../transport/index.ts'
import { type Domain, parseDomain, type Stanza } from '../xmpp/index.ts'
import type { AccountSnapshot } from './account.ts'
import { Answers } from './answers.ts'
import { type CheckReport, walk } from './check.ts'
import type { Stage, WalkDeps } from './check-stages.ts'
import { closeInOrder } from './closing.ts'
import { createConnect, type Means, type StartInitiating } from './dial.ts'
import type { Host, HostContext, StreamHost } from './host.ts'
import { Inbound } from './inbound.ts'
import type { DomainSettings, Settings } from './options.ts'
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
  /** which entry of the options serves a domain */
  readonly #owners = new Map<Domain, DomainSettings>()
  /** by entry: our certificate for dialling */
  readonly #contexts = new Map<DomainSettings, SecureContext>()
  /** the walk under way, and those that wait for it */
  #walks: Promise<unknown> = Promise.resolve()

  constructor(deps: FederationDeps) {
    this.#deps = deps
    const { settings, discovery, observer, clock, random } = deps
    const { limits, trust, streamManagement } = settings
    const hosts = new Map<Domain, Host | StreamHost>()
    for (const entry of settings.domains) {
      this.#contexts.set(entry, createTlsContext({ identity: entry.identity, ca: settings.ca }))
      for (const domain of [entry.name, ...entry.also]) {
        this.#owners.set(domain, entry)
        hosts.set(domain, entry.host)
      }
    }
    this.#secret = secretOf(settings, random)
    const dialDeps = {
      ...deps,
      trust,
      limits,
      streamManagement,
      secureContext: (local: Domain) => this.#contextOf(local),
      meansOf: (local: Domain) => this.#meansOf(local),
    }
    this.#verifier = new Verifier(dialDeps)
    const connect = createConnect(dialDeps)
    const answers = new Answers()
    const isReachable = (local: Domain) => this.#ownerOf(local).reachable
    this.#router = new Router({
      hosts,
      connect,
      isReachable,
      answers,
      observer,
      limits,
      clock,
      random,
      schedule: setImmediate,
    })
    this.#inbound = new Inbound({ router: this.#router, discovery, limits, clock })
    const urlOf = (local: Domain) => this.#owners.get(local)?.url ?? null
    const walked = { router: this.#router, inbound: this.#inbound, answers, urlOf, isReachable }
    this.#walkDeps = { ...dialDeps, ...walked }
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

  /** See closeInOrder. */
  close(deadlineMs: number): Promise<void> {
    const { clock, settings } = this.#deps
    const hosts = [...this.#hosts().keys()]
    const closing = { router: this.#router, inbound: this.#inbound, hosts, limits: settings.limits, clock }
    return closeInOrder(closing, deadlineMs)
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
      send(stanza, custody = null) {
        if (!domains.has(stanza.from.domain))
          throw new TypeError(`not a domain of this host: ${stanza.from.domain}`)
        return router.send(stanza, custody)
      },
    }
  }

  #contextOf(local: Domain): SecureContext {
    const context = this.#contexts.get(this.#ownerOf(local))
    if (context === undefined) throw new TypeError(`not a domain of ours: ${local}`)
    return context
  }

  #meansOf(local: Domain): Means {
    const { identity, reachable } = this.#ownerOf(local)
    return {
      certificate: identity !== null,
      // DB-46: whoever is shown a key calls back.
      dialback: reachable ? this.#secret : null,
      bidi: this.#deps.settings.bidi ?? !reachable,
    }
  }

  #ownerOf(local: Domain): DomainSettings {
    const owner = this.#owners.get(local)
    if (owner === undefined) throw new TypeError(`not a domain of ours: ${local}`)
    return owner
  }
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

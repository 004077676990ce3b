import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { Custody } from '../session/index.ts'
import {
  bounce,
  type Domain,
  type DomainPair,
  notFederable,
  type Stanza,
  type StanzaError,
} from '../xmpp/index.ts'
import { Account, type AccountSnapshot } from './account.ts'
import type { Connect } from './connect.ts'
import { Deliveries } from './deliveries.ts'
import { type Host, isStreamHost, type StreamHost } from './host.ts'
import { Lane, type Schedule } from './lane.ts'
import { LegPolicy, legLimits, limitsToPeers, TO_PEERS } from './policy.ts'
import { Pool } from './pool.ts'
import type { QueueTotal } from './queue.ts'
import { notOnTheNetwork, STOPPING, tooLarge, undeliverable } from './reasons.ts'
import { Route } from './route.ts'
import type { Returns, RouteLimits } from './route-options.ts'

export interface RouterOptions {
  readonly hosts: ReadonlyMap<Domain, Host | StreamHost>
  /** to other domains */
  readonly connect: Connect
  /** whether peers can dial the local domain; absent: they can dial all */
  readonly isReachable?: (local: Domain) => boolean
  /** answers to questions of our own, which come on any stream: no stanzas of the account, and hosts never see them */
  readonly answers?: { takes(stanza: Stanza): boolean }
  readonly observer: Observer
  readonly limits: RouteLimits &
    Pick<Limits, 'bouncedStanzaBytes' | 'legRetryMinMs' | 'legRetryMaxMs' | 'legAbsentMs'>
  readonly clock: Clock
  readonly random: Random
  readonly schedule: Schedule
}

/** Where every stanza goes, from hosts and from streams alike, and the one place that counts them. */
export class Router implements Returns {
  /** local -> remote */
  readonly pool: Pool
  /** any domain -> a local one whose host is reached by streams */
  readonly legs: Pool
  readonly deliveries: Deliveries
  readonly #options: RouterOptions
  readonly #account = new Account()
  readonly #total: QueueTotal = { bytes: 0 }
  /** from -> to, both local */
  readonly #lanes = new Map<Domain, Map<Domain, Lane>>()
  readonly #hosts = new Map<Domain, Host>()
  readonly #streamHosts = new Map<Domain, StreamHost>()
  readonly #legPolicy: LegPolicy
  /** errors of ours, by the local domain whose stanzas they return */
  readonly #errorLanes = new Map<Domain, Lane>()
  #stopped = false

  constructor(options: RouterOptions) {
    this.#options = options
    const { limits, clock } = options
    const shared = { ...options, returns: this, account: this.#account, total: this.#total }
    for (const [domain, host] of options.hosts) this.serve(domain, host)
    this.#legPolicy = new LegPolicy(limits, clock)
    const isReachable = options.isReachable ?? (() => true)
    this.pool = new Pool({
      ...shared,
      receive: (stanza, custody) => this.receive(stanza, custody),
      policy: TO_PEERS,
      limits: limitsToPeers(limits),
      isReachable,
    })
    this.legs = new Pool({
      ...shared,
      connect: (...dial) => this.#connectLeg(...dial),
      receive: (stanza, custody) => this.send(stanza, custody),
      isReachable: () => true,
      policy: this.#legPolicy,
      limits: legLimits(limits),
    })
    this.deliveries = new Deliveries({ ...shared, hosts: this.#hosts })
  }

  /**
   * A stanza from a local domain, whose right to its `from` has been checked. Never delivers from within.
   * @param custody see receive
   * @returns what the source waits for before the next one; undefined: go on
   */
  send(stanza: Stanza, custody: Custody | null = null): Promise<void> | undefined {
    this.#account.accepted += 1
    const way = this.#wayOf(stanza)
    if (!('offer' in way)) return this.#return(stanza, way, false)
    const refusal = way.offer(stanza)
    if (refusal !== null) this.#return(stanza, refusal, false)
    else if (way instanceof Route) custody?.went(way)
    return way.crowded ? this.#roomFor(stanza, way) : this.#roomForErrors(stanza)
  }

  /**
   * A stanza of a proven stream, to a local domain. A promise slows that stream.
   * @param custody hears on whom the responsibility goes (DECISIONS 24); null: its sender is told of none
   */
  receive(stanza: Stanza, custody: Custody | null = null): Promise<void> | undefined {
    if (this.#options.answers?.takes(stanza) === true) return undefined
    this.#account.accepted += 1
    if (!this.#streamHosts.has(stanza.to.domain)) return this.deliveries.deliver(stanza)
    const leg = this.#legFor(stanza)
    if (!('offer' in leg)) return this.#return(stanza, leg, false)
    const refusal = leg.offer(stanza)
    if (refusal !== null) return this.#return(stanza, refusal, false)
    custody?.went(leg)
    return leg.crowded ? this.#roomBeside(stanza, leg, this.pool) : undefined
  }

  /** A server of ours has just come to us for this pair; see HostContext.peerIsUp. */
  peerIsUp({ local, remote }: DomainPair): void {
    this.#legPolicy.isUp(remote)
    this.legs.find(local, remote)?.peerIsUp()
  }

  bounce(stanza: Stanza, error: StanzaError): Promise<void> | undefined {
    return this.#return(stanza, error, true)
  }

  tell(stanza: Stanza, error: StanzaError): void {
    const reply = this.#errorFor(stanza, error)
    if (reply !== null) this.#sendError(reply, true)
  }

  account(): AccountSnapshot {
    let held = this.pool.held() + this.legs.held() + this.deliveries.held
    for (const lane of this.#localLanes()) held += lane.size
    return this.#account.snapshot(held)
  }

  /** A local domain, from now on. */
  serve(domain: Domain, host: Host | StreamHost): void {
    if (isStreamHost(host)) this.#streamHosts.set(domain, host)
    else this.#hosts.set(domain, host)
  }

  /** None of ours any more: what is still under way to it has nowhere to go. */
  leave(domain: Domain): void {
    this.#streamHosts.delete(domain)
    this.#hosts.delete(domain)
    for (const lanes of this.#lanes.values()) {
      this.#account.dropped += lanes.get(domain)?.takeAll().length ?? 0
      lanes.delete(domain)
    }
    this.#errorLanes.get(domain)?.takeAll()
    this.#errorLanes.delete(domain)
  }

  /** Resolves once nothing is under way between local domains, as far as it is from or to one of these. */
  async settled(isOf: (domain: Domain) => boolean = () => true): Promise<void> {
    for (;;) {
      // A lane that has come to rest is woken by answers on another one.
      const busy = this.#lanesOf(isOf).filter(lane => lane.busy)
      if (busy.length === 0) return
      await Promise.all(busy.map(lane => lane.idle()))
    }
  }

  /** The hosts are stopping: what is still under way to them, and between them, has nowhere to go. */
  stopDelivering(): void {
    this.#stopped = true
    this.deliveries.stop()
    for (const lane of this.#localLanes()) this.#account.dropped += lane.takeAll().length
    for (const lane of this.#errorLanes.values()) lane.takeAll()
  }

  #wayOf(stanza: Stanza): Route | Lane | StanzaError {
    const from = stanza.from.domain
    const to = stanza.to.domain
    const { stanzaBytes } = this.#options.limits
    if (stanza.bytes.length > stanzaBytes) return tooLarge('this server', stanza.bytes.length, stanzaBytes)
    if (this.#streamHosts.has(to)) return this.legs.route(from, to)
    if (this.deliveries.has(to)) return this.#stopped ? undeliverable(to, STOPPING) : this.#lane(from, to)
    const known = this.pool.find(from, to)
    if (known !== undefined) return known
    const why = notFederable(to)
    return why === null ? this.pool.route(from, to) : notOnTheNetwork(to, why)
  }

  /** What a proven stream brings was measured as the peer wrote it; we may write it longer (DECISIONS 6). */
  #legFor({ from, to, bytes }: Stanza): Route | StanzaError {
    const { stanzaBytes } = this.#options.limits
    if (bytes.length <= stanzaBytes) return this.legs.route(from.domain, to.domain)
    return tooLarge(this.#legPolicy.subject(to.domain), bytes.length, stanzaBytes)
  }

  #connectLeg(...[pair, handler, signal]: Parameters<Connect>): void {
    const host = this.#streamHosts.get(pair.remote)
    if (host === undefined) throw new TypeError(`no server of ours: ${pair.remote}`)
    host.connect(pair, handler, signal)
  }

  /**
   * Whoever answers must not wait for one who waits for that very answer, or two busy servers, or robots, wait for each
   * other. So a host that has something from a peer in hand goes on until the queue to it is full; a lane whose host
   * has to wait goes on with the next stanza; and of two streams that wait for each other, both go on (#roomBeside).
   */
  #roomFor(stanza: Stanza, way: Route | Lane): Promise<void> | undefined {
    const from = stanza.from.domain
    const to = stanza.to.domain
    const isRoute = way instanceof Route
    if (isRoute && !way.full && this.deliveries.isAnswering(from, to)) return undefined
    this.#lanes.get(to)?.get(from)?.nudge()
    this.#errorLanes.get(from)?.nudge()
    return isRoute ? this.#roomBeside(stanza, way, this.legs) : way.room()
  }

  /**
   * A server of ours may read nothing while it writes, and the peer's may be such a server, too: where the way back waits
   * as well, each may wait for the other. Then both ways go on as long as nothing that comes could be refused.
   * @param back where the way back is
   */
  #roomBeside({ from, to }: Stanza, way: Route, back: Pool): Promise<void> | undefined {
    const wayBack = back.find(to.domain, from.domain)
    if (wayBack?.crowded !== true) return way.room()
    wayBack.nudge()
    return way.roomy ? undefined : way.room()
  }

  /** A server of ours that does not take the errors it is sent has to wait: they are not refused (#sendError). */
  #roomForErrors({ from, to }: Stanza): Promise<void> | undefined {
    const back = this.legs.find(to.domain, from.domain)
    return back?.full === true ? back.room() : undefined
  }

  /** @param held it was in a queue or a hand of ours, so that its error takes no more room than it did */
  #return(stanza: Stanza, error: StanzaError, held: boolean): Promise<void> | undefined {
    const reply = this.#errorFor(stanza, error)
    const back = reply === null ? null : this.#sendError(reply, held)
    if (back?.taken === true) this.#account.bounced += 1
    else this.#account.dropped += 1
    const way = back?.way
    return way instanceof Lane || way?.full === true ? way.room() : undefined
  }

  /** null where it must not be answered, or nobody is there any more who could take it */
  #errorFor(stanza: Stanza, error: StanzaError): Stanza | null {
    if (this.#stopped && this.deliveries.has(stanza.from.domain)) return null
    return bounce(stanza, error, this.#options.limits.bouncedStanzaBytes)
  }

  #sendError(error: Stanza, held: boolean): { readonly way: Route | Lane; readonly taken: boolean } {
    const from = error.from.domain
    const to = error.to.domain
    if (!this.deliveries.has(to)) {
      // SE-32: stanza errors travel on the reverse stream, queued and counted like any other stanza.
      const isLeg = this.#streamHosts.has(to)
      const way = (isLeg ? this.legs : this.pool).route(from, to)
      const taken = way.offer(error, isLeg && held) === null
      if (taken) this.#account.accepted += 1
      return { way, taken }
    }
    const way = this.#errorLane(to)
    if (!held) return { way, taken: way.offer(error) === null }
    way.put(error)
    return { way, taken: true }
  }

  #lane(from: Domain, to: Domain): Lane {
    let lanes = this.#lanes.get(from)
    if (lanes === undefined) {
      lanes = new Map()
      this.#lanes.set(from, lanes)
    }
    let lane = lanes.get(to)
    if (lane === undefined) {
      lane = this.#newLane(to, stanza => this.deliveries.deliver(stanza))
      lanes.set(to, lane)
    }
    return lane
  }

  #errorLane(to: Domain): Lane {
    let lane = this.#errorLanes.get(to)
    if (lane === undefined) {
      lane = this.#newLane(to, error => this.deliveries.deliverError(error))
      this.#errorLanes.set(to, lane)
    }
    return lane
  }

  #newLane(to: Domain, deliver: (stanza: Stanza) => Promise<void> | undefined): Lane {
    const { limits, clock, schedule } = this.#options
    return new Lane({ deliver, to, limits, total: this.#total, clock, schedule })
  }

  #localLanes(): Lane[] {
    return [...this.#lanes.values()].flatMap(lanes => [...lanes.values()])
  }

  #lanesOf(isOf: (domain: Domain) => boolean): Lane[] {
    const lanes = [...this.#lanes].flatMap(([from, to]) =>
      [...to].flatMap(([domain, lane]) => (isOf(from) || isOf(domain) ? [lane] : [])),
    )
    return [...lanes, ...[...this.#errorLanes].flatMap(([to, lane]) => (isOf(to) ? [lane] : []))]
  }
}

import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import { bounce, type Domain, notFederable, type Stanza, type StanzaError } from '../xmpp/index.ts'
import { Account, type AccountSnapshot } from './account.ts'
import type { Connect } from './connect.ts'
import { Deliveries } from './deliveries.ts'
import type { Host } from './host.ts'
import { Lane, type Schedule } from './lane.ts'
import { Pool } from './pool.ts'
import type { QueueTotal } from './queue.ts'
import { notOnTheNetwork, STOPPING, tooLarge, undeliverable } from './reasons.ts'
import { type Returns, Route, type RouteLimits } from './route.ts'

export interface RouterOptions {
  readonly hosts: ReadonlyMap<Domain, Host>
  readonly connect: Connect
  readonly observer: Observer
  readonly limits: RouteLimits & Pick<Limits, 'stanzaBytes' | 'bouncedStanzaBytes'>
  readonly clock: Clock
  readonly random: Random
  readonly schedule: Schedule
}

/** Where every stanza goes, from hosts and from streams alike, and the one place that counts them. */
export class Router implements Returns {
  readonly pool: Pool
  readonly deliveries: Deliveries
  readonly #options: RouterOptions
  readonly #account = new Account()
  readonly #total: QueueTotal = { bytes: 0 }
  /** from -> to, both local */
  readonly #lanes = new Map<Domain, Map<Domain, Lane>>()
  /** errors of ours, by the local domain whose stanzas they return */
  readonly #errorLanes = new Map<Domain, Lane>()
  #stopped = false

  constructor(options: RouterOptions) {
    this.#options = options
    const shared = { ...options, returns: this, account: this.#account, total: this.#total }
    this.pool = new Pool(shared)
    this.deliveries = new Deliveries(shared)
  }

  /**
   * A stanza from a local domain, whose right to its `from` has been checked. Never delivers from within.
   * @returns what the source waits for before the next one; undefined: go on
   */
  send(stanza: Stanza): Promise<void> | undefined {
    this.#account.accepted += 1
    const way = this.#wayOf(stanza)
    if (!('offer' in way)) return this.#return(stanza, way, false)
    const refusal = way.offer(stanza)
    if (refusal !== null) this.#return(stanza, refusal, false)
    return way.crowded ? this.#roomFor(stanza, way) : undefined
  }

  /** A stanza of a proven stream, to a local domain. A promise slows that stream. */
  receive(stanza: Stanza): Promise<void> | undefined {
    this.#account.accepted += 1
    return this.deliveries.deliver(stanza)
  }

  bounce(stanza: Stanza, error: StanzaError): Promise<void> | undefined {
    return this.#return(stanza, error, true)
  }

  tell(stanza: Stanza, error: StanzaError): void {
    const reply = this.#errorFor(stanza, error)
    if (reply !== null) this.#sendError(reply, true)
  }

  account(): AccountSnapshot {
    let held = this.pool.held() + this.deliveries.held
    for (const lane of this.#localLanes()) held += lane.size
    return this.#account.snapshot(held)
  }

  /** Resolves once nothing is under way between local domains. */
  async settled(): Promise<void> {
    for (;;) {
      // A lane that has come to rest is woken by answers on another one.
      const busy = [...this.#localLanes(), ...this.#errorLanes.values()].filter(lane => lane.busy)
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
    if (this.deliveries.has(to)) return this.#stopped ? undeliverable(to, STOPPING) : this.#lane(from, to)
    const known = this.pool.find(from, to)
    if (known !== undefined) return known
    const why = notFederable(to)
    return why === null ? this.pool.route(from, to) : notOnTheNetwork(to, why)
  }

  /**
   * Whoever answers must not wait for one who waits for that very answer, or two busy servers, or robots, wait for each
   * other. So a host that has something from a peer in hand goes on until the queue to it is full; and a lane whose host
   * has to wait goes on with the next stanza.
   */
  #roomFor({ from, to }: Stanza, way: Route | Lane): Promise<void> | undefined {
    const isRoute = way instanceof Route
    if (isRoute && !way.full && this.deliveries.isAnswering(from.domain, to.domain)) return undefined
    if (!isRoute) this.#lanes.get(to.domain)?.get(from.domain)?.nudge()
    this.#errorLanes.get(from.domain)?.nudge()
    return way.room()
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
      const way = this.pool.route(from, to)
      const taken = way.offer(error) === null
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
}

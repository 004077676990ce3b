import { spread } from '../base/index.ts'
import type { Domain, DomainPair, Failure } from '../xmpp/index.ts'
import { AdoptedStream } from './adopted.ts'
import type { Adopted, OutboundSession } from './connect.ts'
import { Route, type RouteState } from './route.ts'
import type { SharedRouteOptions } from './route-options.ts'

export interface PoolOptions extends SharedRouteOptions {
  /** Whether peers can dial the local domain. */
  readonly isReachable: (local: Domain) => boolean
}

/** Of which pairs. */
export type Which = (pair: DomainPair) => boolean
export const ALL: Which = () => true

/** All ways out, by pair. A route exists while it has something to do or to remember. */
export class Pool {
  readonly #options: PoolOptions
  /** local domain -> remote domain -> route: two look-ups a stanza and no key to build */
  readonly #routes = new Map<Domain, Map<Domain, Route>>()
  /** of these nothing is dialled */
  readonly #stopped = new Set<Which>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** The pair's route if it has one: no need to ask again whether the remote domain may be dialled. */
  find(local: Domain, remote: Domain): Route | undefined {
    return this.#routes.get(local)?.get(remote)
  }

  /** The pair's route, made where there is none. */
  route(local: Domain, remote: Domain): Route {
    return this.find(local, remote) ?? this.#add({ local, remote })
  }

  /** A peer's stream takes stanzas: the routes of its pairs write to it rather than dial (BI-06). */
  adopt(session: OutboundSession): Adopted {
    return new AdoptedStream(session, (pair, share) => this.route(pair.local, pair.remote).adopt(share))
  }

  /** How many routes are in each state. */
  states(): Readonly<Record<RouteState, number>> {
    const counts = { idle: 0, dialling: 0, open: 0, closing: 0, waiting: 0, stopped: 0 }
    for (const route of this.#all()) counts[route.state] += 1
    return counts
  }

  /** Stanzas of the account that lie here; counts confirmations on the way. */
  held(): number {
    let held = 0
    for (const route of this.#all()) {
      route.settle()
      held += route.held()
    }
    return held
  }

  /** No more dials for these pairs; streams that stand serve on. */
  stopDialling(which: Which): void {
    this.#stopped.add(which)
    for (const route of this.#all(which)) route.stopDialling()
  }

  /** Resolves once streams have taken all that waits for them, or it was bounced. */
  async drained(which: Which): Promise<void> {
    for (;;) {
      // What leaves one route may come back as an error on another.
      const draining = this.#all(which).flatMap(route => route.drained() ?? [])
      if (draining.length === 0) return
      await Promise.all(draining)
    }
  }

  /** What waits is bounced. */
  bounceWaiting(which: Which, failure: Failure): void {
    for (const route of this.#all(which)) route.bounceWaiting(failure)
  }

  /** End their streams, one after the other within `staggerMs`. Resolves when all have ended, by force after `deadlineMs`. */
  async end(which: Which, failure: Failure, staggerMs: number, deadlineMs: number): Promise<void> {
    this.#stopped.add(which)
    const { clock } = this.#options
    const routes = this.#all(which)
    const force = clock.setTimer(deadlineMs, () => {
      for (const route of routes) route.abort()
    })
    await spread(routes, route => route.end(failure), staggerMs, clock)
    force.cancel()
  }

  /** Forget these pairs, whose streams have ended: the domain may come back, and be dialled for. */
  forget(which: Which): void {
    this.#stopped.delete(which)
    for (const route of this.#all(which)) this.#forget(route)
  }

  #add(pair: DomainPair): Route {
    const route = new Route({
      ...this.#options,
      pair,
      keepUp: !this.#options.isReachable(pair.local),
      onForgettable: forgettable => this.#forget(forgettable),
    })
    if ([...this.#stopped].some(which => which(pair))) route.stopDialling()
    const ofLocal = this.#routes.get(pair.local)
    if (ofLocal === undefined) this.#routes.set(pair.local, new Map([[pair.remote, route]]))
    else ofLocal.set(pair.remote, route)
    return route
  }

  #forget(route: Route): void {
    const { local, remote } = route.pair
    const ofLocal = this.#routes.get(local)
    if (ofLocal?.get(remote) === route) ofLocal.delete(remote)
  }

  #all(which: Which = ALL): Route[] {
    return [...this.#routes.values()].flatMap(routes =>
      [...routes.values()].filter(({ pair }) => which(pair)),
    )
  }
}

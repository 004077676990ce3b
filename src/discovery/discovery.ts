import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { TrustStore } from '../identity/index.ts'
import { createTlsContext } from '../transport/index.ts'
import { type Domain, describe, type Failure, failureId, notFederable } from '../xmpp/index.ts'
import { LruMap } from './cache.ts'
import type { Candidate, Discovered, Discovery, Resolver } from './candidate.ts'
import { candidatesOf, staticCandidate } from './candidates.ts'
import { Flight } from './flight.ts'
import { type HostMetaDeps, type Read, readHostMeta } from './host-meta.ts'
import { Slots } from './slots.ts'

export interface DiscoveryOptions {
  /** static, ahead of all others */
  readonly endpoints: readonly { readonly domain: Domain; readonly url: string }[]
  readonly resolver: Resolver
  readonly trust: TrustStore
  /** PEM, beside Node's bundled roots: the same as in `trust` */
  readonly ca: readonly string[]
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
}

export function createDiscovery(options: DiscoveryOptions): Discovery {
  return new HostMetaDiscovery(options)
}

type Good = Extract<Read, { ok: true }>

/** What is known of a domain. Times are monotonic. */
interface Entry {
  /** the last answer that had links; null: none yet */
  readonly good: Good | null
  /** the last walk failed with it; null: it gave `good` */
  readonly failure: Failure | null
  /** until then nobody asks again */
  readonly untilMs: number
  /** until then `good` may serve although nothing newer can be had (DS-26) */
  readonly staleUntilMs: number
}

class HostMetaDiscovery implements Discovery {
  readonly #options: DiscoveryOptions
  readonly #deps: HostMetaDeps
  readonly #static = new Map<Domain, Candidate[]>()
  /** domains whose static endpoints have failed: host-meta is asked too from then on */
  readonly #exhausted = new Set<Domain>()
  readonly #cache: LruMap<Domain, Entry>
  readonly #flights = new Map<Domain, Flight<Read>>()
  readonly #slots: Slots

  constructor(options: DiscoveryOptions) {
    const { limits, ca, endpoints } = options
    this.#options = options
    this.#deps = { ...options, secureContext: createTlsContext({ identity: null, ca }) }
    this.#cache = new LruMap(limits.discoveryCacheEntries)
    this.#slots = new Slots(limits.discoveriesInFlight, limits.discoveriesWaiting)
    for (const { domain, url } of endpoints)
      this.#static.set(domain, [...(this.#static.get(domain) ?? []), staticCandidate(domain, url)])
  }

  /** DECISIONS 10. host-meta is not asked before static endpoints have failed: it may not exist, and would take time. */
  async discover(
    domain: Domain,
    { signal, fresh = false }: { signal: AbortSignal; fresh?: boolean },
  ): Promise<Discovered> {
    const known = this.#static.get(domain) ?? []
    if (known.length > 0 && (fresh || !this.#exhausted.has(domain)))
      return { ok: true, candidates: known, source: 'static' }
    const found = await this.#lookUp(domain, fresh, signal)
    if (known.length === 0) return found
    if (!found.ok) return { ok: true, candidates: known, source: 'static' }
    return { ok: true, candidates: [...known, ...found.candidates], source: `static, ${found.source}` }
  }

  forget(domain: Domain): void {
    if (this.#static.has(domain)) this.#exhausted.add(domain)
    const entry = this.#cache.get(domain)
    // Kept for the case that nothing newer can be had.
    if (entry?.failure === null) this.#cache.set(domain, { ...entry, untilMs: 0 })
  }

  reconsider(domain: Domain): void {
    const entry = this.#cache.get(domain)
    if (entry !== undefined && entry.failure !== null) this.#cache.set(domain, { ...entry, untilMs: 0 })
  }

  async #lookUp(domain: Domain, fresh: boolean, signal: AbortSignal): Promise<Discovered> {
    const refused = notFederable(domain)
    if (refused !== null) return { ok: false, failure: notOfThisNetwork(domain) } // DS-61
    if (fresh) return this.#discovered(domain, await this.#walk(domain, signal), '')
    const cached = this.#cached(domain)
    if (cached !== null) return cached
    const read = await this.#flight(domain).join(signal)
    if (read === null) return { ok: false, failure: GIVEN_UP }
    // `read` itself where it was not kept, because it says nothing about the domain.
    return this.#cached(domain) ?? this.#stale(domain) ?? this.#discovered(domain, read, '')
  }

  #stale(domain: Domain): Discovered | null {
    const entry = this.#cache.get(domain)
    if (entry === undefined || entry.good === null) return null
    const isTooOld = entry.staleUntilMs <= this.#options.clock.monotonicMs()
    return isTooOld ? null : this.#discovered(domain, entry.good, ' (stale)')
  }

  #cached(domain: Domain): Discovered | null {
    const nowMs = this.#options.clock.monotonicMs()
    const entry = this.#cache.get(domain)
    if (entry === undefined || entry.untilMs <= nowMs) return null
    if (entry.failure === null) return entry.good && this.#discovered(domain, entry.good, '')
    return this.#stale(domain) ?? { ok: false, failure: entry.failure }
  }

  #discovered(domain: Domain, read: Read, note: string): Discovered {
    if (!read.ok) return read
    const candidates = candidatesOf(domain, read.hostMeta, this.#options.random)
    return { ok: true, candidates, source: read.source + note }
  }

  #flight(domain: Domain): Flight<Read> {
    const under = this.#flights.get(domain)
    if (under !== undefined && !under.abandoned) return under
    const flight: Flight<Read> = new Flight(async signal => {
      try {
        const read = await this.#inTurn(domain, signal)
        if (!isOurs(read)) this.#keep(domain, read)
        return read
      } finally {
        if (this.#flights.get(domain) === flight) this.#flights.delete(domain)
      }
    })
    this.#flights.set(domain, flight)
    return flight
  }

  async #inTurn(domain: Domain, signal: AbortSignal): Promise<Read> {
    // Never synchronously: the flight is on the map before it can end.
    const entered = await this.#slots.enter(signal)
    if (!entered) return { ok: false, failure: signal.aborted ? GIVEN_UP : TOO_MANY }
    try {
      return await this.#walk(domain, signal)
    } finally {
      this.#slots.leave()
    }
  }

  async #walk(domain: Domain, signal: AbortSignal): Promise<Read> {
    const { observer, clock } = this.#options
    const startMs = clock.monotonicMs()
    observer.publish({ type: 'discovery:started', domain })
    const read = await readHostMeta(this.#deps, domain, signal)
    const ms = clock.monotonicMs() - startMs
    if (read.ok) {
      const candidates = read.hostMeta.links.map(({ url }) => url)
      observer.publish({ type: 'discovery:found', domain, source: read.source, candidates, ms })
    } else {
      const { failure } = read
      const reason = failureId(failure)
      observer.publish({ type: 'discovery:failed', domain, reason, detail: describe(failure), ms })
    }
    return read
  }

  #keep(domain: Domain, read: Read): void {
    const { limits, clock, random } = this.#options
    const nowMs = clock.monotonicMs()
    if (read.ok) {
      const untilMs = nowMs + (read.hostMeta.ttlMs ?? limits.ttlDefaultMs)
      this.#cache.set(domain, { good: read, failure: null, untilMs, staleUntilMs: untilMs + limits.ttlMaxMs })
      return
    }
    const { failure } = read
    // That there is nothing is an answer, and ends what was true before; that nobody answered is not.
    const isAnswer = failure.kind === 'no-endpoint'
    const lastsMs = isAnswer || failure.kind === 'dns' ? limits.negativeCacheMs : limits.failureCacheMs
    const untilMs = nowMs + lastsMs * (1 - JITTER + 2 * JITTER * random.unit())
    const before = this.#cache.get(domain)
    const kept = isAnswer ? undefined : before
    this.#cache.set(domain, {
      good: kept?.good ?? null,
      failure,
      untilMs,
      staleUntilMs: kept?.staleUntilMs ?? 0,
    })
  }
}

/** Says nothing about the domain. */
function isOurs(read: Read): boolean {
  return !read.ok && read.failure.by === 'us'
}

function notOfThisNetwork(domain: Domain): Failure {
  return {
    by: 'network',
    kind: 'forbidden-address',
    detail: `${domain} is no name of the public network`,
  }
}

const GIVEN_UP: Failure = { by: 'us', kind: 'aborted', detail: 'the caller gave up' }
const TOO_MANY: Failure = { by: 'us', kind: 'overload', detail: 'too many domains are being looked up' }
/** DS-51: what was learned at the same time is not asked again at the same time. */
const JITTER = 0.2

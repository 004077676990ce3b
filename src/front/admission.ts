import type { Clock, Limits } from '../base/index.ts'
import { sourceOf } from './source.ts'

export type AdmissionLimits = Pick<
  Limits,
  | 'connections'
  | 'unauthenticatedPerAddress'
  | 'unauthenticatedTotal'
  | 'newPerSecondPerAddress'
  | 'newBurstPerAddress'
  | 'trackedAddresses'
>

/** One connection's place. */
export class Place {
  /** its address has too many unauthenticated connections: it is answered 429, except on proxied paths */
  crowded = false
  /** whose connection it is; '' while it is a proxy's, which counts against no address */
  source: string
  /** how to end it where its place is needed */
  evict: () => void
  readonly #admission: Admission
  #counted = true
  #here = true
  #authenticated = false
  /** proxied requests that it carries */
  #lent = 0

  constructor(admission: Admission, source: string, evict: () => void) {
    this.#admission = admission
    this.source = source
    this.evict = evict
  }

  /** It is a proxy's indeed: only the total counts it until the proxy says for whom it comes. Idempotent. */
  vouched(): void {
    if (this.source === '') this.#uncount()
  }

  /**
   * A proxy has brought somebody, whose connection it is from now on.
   * @returns false: too many new ones come from there
   */
  claim(address: string): boolean {
    const source = this.#admission.admit(address)
    if (source === null) return false
    if (this.#authenticated || !this.#here) return true
    if (this.#counted && this.source !== '') return true
    this.#uncount()
    this.source = source
    this.#counted = true
    this.#admission.count(this)
    return true
  }

  /** Only the total counts it from now on. Idempotent. */
  authenticated(): void {
    this.#authenticated = true
    this.#uncount()
  }

  /**
   * It carries a proxied request, which counts elsewhere (ProxiedPlaces): only the total counts it until that is over.
   * @returns how to say so; then it is what it was: one request must not buy a stranger a place for a stream
   */
  lend(): () => void {
    this.#lent += 1
    this.#uncount()
    let lent = true
    return () => {
      if (!lent) return
      lent = false
      this.#lent -= 1
      if (this.#lent > 0 || this.#counted || this.#authenticated || !this.#here || this.source === '') return
      this.#counted = true
      this.#admission.count(this)
    }
  }

  /** It is gone. Idempotent. */
  leave(): void {
    if (!this.#here) return
    this.#here = false
    this.#uncount()
    this.#admission.gone()
  }

  #uncount(): void {
    if (!this.#counted) return
    this.#counted = false
    this.#admission.uncount(this)
  }
}

export type Admitted =
  | { readonly ok: true; readonly place: Place }
  | { readonly ok: false; readonly reason: 'connections' | 'rate' }

const SECOND_MS = 1_000

/** Who may be connected at once, and how fast new ones may come (SZ-25). Unauthenticated ones count (DECISIONS 12). */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  #total = 0
  /** oldest first */
  readonly #unauthenticated = new Set<Place>()
  readonly #bySource = new Map<string, number>()
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(limits: AdmissionLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  get connections(): number {
    return this.#total
  }

  get unauthenticated(): number {
    return this.#unauthenticated.size
  }

  enter(address: string, evict: () => void): Admitted {
    const source = this.admit(address)
    if (source === null) return { ok: false, reason: 'rate' }
    return this.#enter(source, evict)
  }

  /** From the address of a proxy, which comes for many: it counts against none. Until a request has shown the proxy it may be
   * anybody's, and goes before others do. */
  enterForOthers(evict: () => void): Admitted {
    return this.#enter('', evict)
  }

  /** @returns the source of an address; null: too many new ones come from there */
  admit(address: string): string | null {
    const source = sourceOf(address)
    return this.#takeToken(source) ? source : null
  }

  #enter(source: string, evict: () => void): Admitted {
    if (this.#total >= this.#limits.connections) return { ok: false, reason: 'connections' }
    const place = new Place(this, source, evict)
    this.#total += 1
    this.count(place)
    return { ok: true, place }
  }

  /** A place's own business. */
  count(place: Place): void {
    if (place.source !== '') {
      const count = this.#bySource.get(place.source) ?? 0
      place.crowded = count >= this.#limits.unauthenticatedPerAddress
      if (!place.crowded) this.#bySource.set(place.source, count + 1)
    }
    this.#unauthenticated.add(place)
    if (this.#unauthenticated.size > this.#limits.unauthenticatedTotal) this.#evictOldest()
  }

  /** A place's own business. */
  uncount(place: Place): void {
    this.#unauthenticated.delete(place)
    if (place.crowded || place.source === '') return
    const left = (this.#bySource.get(place.source) ?? 1) - 1
    if (left === 0) this.#bySource.delete(place.source)
    else this.#bySource.set(place.source, left)
  }

  /** A place's own business. */
  gone(): void {
    this.#total -= 1
  }

  #evictOldest(): void {
    const [oldest] = this.#unauthenticated
    if (oldest === undefined) return
    oldest.authenticated()
    oldest.evict()
  }

  #takeToken(source: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const { newPerSecondPerAddress, newBurstPerAddress, trackedAddresses } = this.#limits
    const bucket = this.#buckets.get(source) ?? { tokens: newBurstPerAddress, atMs: nowMs }
    const earned = ((nowMs - bucket.atMs) / SECOND_MS) * newPerSecondPerAddress
    bucket.tokens = Math.min(newBurstPerAddress, bucket.tokens + earned)
    bucket.atMs = nowMs
    // Last used last, so that the one that goes is the one longest silent.
    this.#buckets.delete(source)
    this.#buckets.set(source, bucket)
    if (this.#buckets.size > trackedAddresses) this.#forgetOldest()
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

import type { Limits } from '../base/index.ts'

export type ProxiedLimits = Pick<Limits, 'proxiedPerAddress' | 'proxiedTotal'>

/**
 * How many proxied requests and WebSockets there are at once. They have a count of their own, because we never learn who
 * their users are: where they stood among the unauthenticated, the users behind one address would be fifty at most, and
 * the next peer would put the one who has been online for longest out. What is counted is the request, not its connection:
 * pipelined ones each cost the server behind a connection.
 */
export class ProxiedPlaces {
  readonly #limits: ProxiedLimits
  readonly #bySource = new Map<string, number>()
  #total = 0

  constructor(limits: ProxiedLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#total
  }

  /** @returns what there are too many of, or a function that gives the place back; idempotent */
  take(source: string): 'address' | 'total' | (() => void) {
    const count = this.#bySource.get(source) ?? 0
    if (count >= this.#limits.proxiedPerAddress) return 'address'
    if (this.#total >= this.#limits.proxiedTotal) return 'total'
    this.#bySource.set(source, count + 1)
    this.#total += 1
    let here = true
    return () => {
      if (here) this.#leave(source)
      here = false
    }
  }

  #leave(source: string): void {
    this.#total -= 1
    const left = (this.#bySource.get(source) ?? 1) - 1
    if (left === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, left)
  }
}

import type { Observer } from '../base/index.ts'
import { type Domain, type Stanza, toStanzaError } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import type { Delivery, Host } from './host.ts'
import { InHand } from './in-hand.ts'
import { GONE } from './reasons.ts'
import type { Returns } from './route-options.ts'

export interface DeliveriesOptions {
  readonly hosts: ReadonlyMap<Domain, Host>
  readonly returns: Returns
  readonly account: Account
  readonly observer: Observer
}

/** Hands stanzas to the hosts of local domains and accounts for what they say. */
export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #inHand = new InHand()
  /** of the account, in the hands of hosts */
  #held = 0
  #stopped = false

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  has(domain: Domain): boolean {
    return this.#options.hosts.has(domain)
  }

  /** in the hands of hosts that have not answered yet */
  get held(): number {
    return this.#held
  }

  /** Whether the host of `local` has something from `other` in hand: what it sends there now may be the answer. */
  isAnswering(local: Domain, other: Domain): boolean {
    return this.#inHand.has(local, other)
  }

  /** The hosts are stopping: nothing is delivered any more. */
  stop(): void {
    this.#stopped = true
  }

  /** @returns a promise while the host works on it, or its bounce has no room: whoever brought the stanza waits */
  deliver(stanza: Stanza): Promise<void> | undefined {
    const host = this.#options.hosts.get(stanza.to.domain)
    if (this.#stopped) return this.#settle(stanza, STOPPED)
    if (host === undefined) return this.#settle(stanza, NOT_SERVED)
    const delivery = this.#hand(stanza, host)
    if (!(delivery instanceof Promise)) return this.#settle(stanza, delivery)
    this.#held += 1
    return delivery.then(settled => {
      this.#held -= 1
      return this.#settle(stanza, settled)
    })
  }

  /** An error of ours for a local sender: no stanza of the account, and never answered. */
  deliverError(error: Stanza): Promise<void> | undefined {
    const host = this.#options.hosts.get(error.to.domain)
    if (host === undefined || this.#stopped) return undefined
    const delivery = this.#hand(error, host)
    return delivery instanceof Promise ? delivery.then(() => {}) : undefined
  }

  /** Never throws or rejects: what a host does wrong is a refusal. */
  #hand(stanza: Stanza, host: Host): Delivery | Promise<Delivery> {
    const inHand = this.#inHand
    const domain = stanza.to.domain
    inHand.begin(stanza)
    try {
      const delivery = host.deliver(stanza)
      if (!(delivery instanceof Promise)) return checked(delivery)
      inHand.keep(stanza)
      return delivery
        .then(checked)
        .catch(defect => this.#defect(domain, defect))
        .finally(() => inHand.release(stanza))
    } catch (defect) {
      return this.#defect(domain, defect)
    } finally {
      inHand.end()
    }
  }

  #settle(stanza: Stanza, delivery: Delivery): Promise<void> | undefined {
    if (!delivery.taken) return this.#options.returns.bounce(stanza, delivery)
    this.#options.account.delivered += 1
    return undefined
  }

  #defect(domain: Domain, defect: unknown): Delivery {
    const detail = defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)
    this.#options.observer.publish({ type: 'host:failed', domain, detail })
    return DEFECT
  }
}

/** Hosts are written by others too, and not all of them in TypeScript. */
function checked(delivery: Delivery): Delivery {
  if (typeof delivery?.taken === 'boolean') return delivery
  throw new TypeError('deliver gave no delivery')
}

const STOPPED: Delivery = { taken: false, condition: 'service-unavailable', text: 'this server is stopping' }
/** A stream that serves other pairs, too, outlives this one's domain. */
const NOT_SERVED: Delivery = { taken: false, ...toStanzaError(GONE) }
const DEFECT: Delivery = { taken: false, condition: 'internal-server-error' }

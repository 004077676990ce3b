import type { Observer } from '../base/index.ts'
import type { DomainPair, Failure, StanzaError } from '../xmpp/index.ts'
import type { RoutePolicy } from './policy.ts'
import { inDoubt, queueFull, tooLarge, undeliverable } from './reasons.ts'

export interface NoticesOptions {
  readonly pair: DomainPair
  readonly policy: RoutePolicy
  readonly observer: Observer
}

/** What the senders of one route are told, and the report of it. */
export class Notices {
  readonly #options: NoticesOptions

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  undeliverable(failure: Failure): StanzaError {
    // What we do ourselves is no news of anybody's server.
    return undeliverable(failure.by === 'us' ? this.#options.pair.remote : this.#subject, failure)
  }

  tooLarge(bytes: number, maxBytes: number): StanzaError {
    return tooLarge(this.#subject, bytes, maxBytes)
  }

  full(isReading: boolean): StanzaError {
    return queueFull(this.#subject, isReading)
  }

  inDoubt(failure: Failure | null): StanzaError {
    return inDoubt(this.#subject, failure)
  }

  /** `count` stanzas were given `error` */
  report(error: StanzaError, count: number): void {
    const { pair, observer } = this.#options
    const { local, remote } = pair
    const { condition, text = '' } = error
    observer.publish({ type: 'stanza:bounced', local, remote, condition, count, detail: text })
  }

  /** A stream has gone on on another one, and `count` stanzas with it. */
  resumed(count: number): void {
    this.#publish('stream:resumed', count)
  }

  /** `count` stanzas go out again that may have arrived. */
  resent(count: number): void {
    this.#publish('stanza:resent', count)
  }

  #publish(type: 'stream:resumed' | 'stanza:resent', count: number): void {
    const { pair, observer } = this.#options
    observer.publish({ type, local: pair.local, remote: pair.remote, count })
  }

  get #subject(): string {
    const { policy, pair } = this.#options
    return policy.subject(pair.remote)
  }
}

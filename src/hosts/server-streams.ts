import { type Clock, type Limits, spread } from '../base/index.ts'
import type { Custody, EstablishedSession, Session, SessionHandler } from '../session/index.ts'
import type { DialbackOutcome } from '../stream/index.ts'
import type { Domain, DomainPair, Failure, Stanza } from '../xmpp/index.ts'

export interface ServerStreamsOptions {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'unauthenticatedTotal'>
  readonly onStanza: (stanza: Stanza, custody: Custody | null) => Promise<void> | undefined
  /** the server has proven itself for the pair */
  readonly onPair: (pair: DomainPair) => void
}

/** Starts the session with this handler, attached in this turn; what is known of a key goes through `verified`. */
export type StartServerStream = (
  handler: SessionHandler,
  verified: (outcome: Promise<DialbackOutcome>) => Promise<DialbackOutcome>,
) => Session

/** The streams that the server has opened to us. */
export class ServerStreams {
  readonly #options: ServerStreamsOptions
  readonly #streams = new Set<ServerStream>()
  /** oldest first: any process of this machine may come */
  readonly #unproven = new Set<ServerStream>()
  /** domains that prove nothing any more */
  readonly #left = new Set<Domain>()
  #stopping = false

  constructor(options: ServerStreamsOptions) {
    this.#options = options
  }

  accept(start: StartServerStream): void {
    const stream = new ServerStream(this.#options, {
      isStopping: domain => this.#stopping || (domain !== null && this.#left.has(domain)),
      onProven: proven => this.#unproven.delete(proven),
      onEnded: ended => {
        this.#streams.delete(ended)
        this.#unproven.delete(ended)
      },
    })
    this.#streams.add(stream)
    this.#unproven.add(stream)
    stream.session = start(stream, outcome => stream.verified(outcome))
    if (this.#unproven.size > this.#options.limits.unauthenticatedTotal) this.#sendAwayOldest()
  }

  /** End those that bring stanzas, in order, one after the other. Later ones may ask, and prove nothing. */
  async end(staggerMs: number, deadlineMs: number): Promise<void> {
    this.#stopping = true
    await this.#end([...this.#streams], staggerMs, deadlineMs)
  }

  /** The same for one domain of the server, which will be none of ours. */
  async endOf(domain: Domain, staggerMs: number, deadlineMs: number): Promise<void> {
    this.#left.add(domain)
    await this.#end(
      [...this.#streams].filter(({ remote }) => remote === domain),
      staggerMs,
      deadlineMs,
    )
  }

  /** It is one of ours, perhaps again. */
  serve(domain: Domain): void {
    this.#left.delete(domain)
  }

  async #end(which: readonly ServerStream[], staggerMs: number, deadlineMs: number): Promise<void> {
    const { clock } = this.#options
    const streams = which.filter(stream => stream.isEstablished)
    const force = clock.setTimer(deadlineMs, () => {
      for (const stream of streams) stream.session?.abort(STOPPING)
    })
    await spread(streams, stream => stream.end(), staggerMs, clock)
    force.cancel()
  }

  abort(): void {
    this.#stopping = true
    for (const { session } of this.#streams) session?.abort(STOPPING)
  }

  #sendAwayOldest(): void {
    for (const oldest of this.#unproven) {
      this.#unproven.delete(oldest)
      oldest.session?.abort(CROWDED)
      return
    }
  }
}

const CROWDED: Failure = {
  by: 'us',
  kind: 'overload',
  detail: 'too many streams have not proven to be of the server',
}

const STOPPING: Failure = { by: 'us', kind: 'shutdown', detail: 'this server is stopping' }

interface Hooks {
  /** @param domain of the server; null: while it is not known */
  isStopping(domain: Domain | null): boolean
  onProven(stream: ServerStream): void
  onEnded(stream: ServerStream): void
}

class ServerStream implements SessionHandler {
  session: Session | null = null
  isEstablished = false
  /** what it has proven first; null: nothing */
  remote: Domain | null = null
  readonly #options: ServerStreamsOptions
  readonly #hooks: Hooks
  readonly #endListeners: (() => void)[] = []
  #ended = false

  constructor(options: ServerStreamsOptions, hooks: Hooks) {
    this.#options = options
    this.#hooks = hooks
  }

  onEstablished({ pair }: EstablishedSession): Failure | null {
    if (this.#hooks.isStopping(pair.remote)) return STOPPING
    this.isEstablished = true
    this.remote = pair.remote
    this.#hooks.onProven(this)
    this.#options.onPair(pair)
    return null
  }

  /** Who hears that a key is right sends at once what is waiting, which nobody takes any more when we stop. */
  async verified(outcome: Promise<DialbackOutcome>): Promise<DialbackOutcome> {
    const known = await outcome
    if (this.#hooks.isStopping(null) && !this.isEstablished) this.session?.end(STOPPING)
    return known
  }

  onAuthorised(pair: DomainPair): Failure | null {
    if (this.#hooks.isStopping(pair.remote)) return STOPPING
    this.#options.onPair(pair)
    return null
  }

  onStanza(stanza: Stanza, _: EstablishedSession, custody: Custody | null): Promise<void> | undefined {
    return this.#options.onStanza(stanza, custody)
  }

  onDrain(): void {}

  onEnded(): void {
    this.#ended = true
    this.#hooks.onEnded(this)
    for (const listener of this.#endListeners.splice(0)) listener()
  }

  end(): Promise<void> {
    if (this.#ended) return Promise.resolve()
    return new Promise(resolve => {
      this.#endListeners.push(resolve)
      this.session?.end(STOPPING)
    })
  }
}

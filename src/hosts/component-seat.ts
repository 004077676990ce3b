import type { Timer } from '../base/index.ts'
import type { Delivery, HostContext } from '../federation/index.ts'
import type { EstablishedSession } from '../session/index.ts'
import { bounce, type Domain, type Failure, type Stanza, type StanzaError } from '../xmpp/index.ts'

export interface SeatOptions {
  readonly name: Domain
  /** how long stanzas wait for a component that is away; 0: not at all */
  readonly holdMs: number
  readonly context: Pick<HostContext, 'send' | 'clock' | 'limits'>
}

interface Waiting {
  readonly stanza: Stanza
  readonly sinceMs: number
  /** its source waits for this; null: it was taken already, and a bounce is ours */
  readonly settle: ((delivery: Delivery) => void) | null
}

/**
 * The place of one component: its stream, or what waits until there is one. In order, and bounded; what waits is what no
 * stream has been given.
 *
 * A stanza counts as taken once it is written. What a stream had been given when its connection died is in doubt: nothing
 * says what of it the component has read, so it is neither sent again nor bounced.
 */
export class ComponentSeat {
  readonly #options: SeatOptions
  #session: EstablishedSession | null = null
  /** the stream has enough for now; while it has not, nothing waits */
  #full = false
  #waiting: Waiting[] = []
  #bytes = 0
  #awaySinceMs: number
  /** of the oldest that is held */
  #timer: Timer | null = null
  #stopped = false

  constructor(options: SeatOptions) {
    this.#options = options
    this.#awaySinceMs = options.context.clock.monotonicMs()
  }

  get isTaken(): boolean {
    return this.#session !== null
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    const session = this.#session
    if (this.#stopped) return { taken: false, ...STOPPING }
    if (session === null && this.#options.holdMs === 0) return { taken: false, ...this.#away() }
    if (session === null || this.#full) return this.#keep(stanza)
    this.#full = !session.send(stanza)
    return TAKEN
  }

  /** The component is here. Another stream of it is ended; what that had not been given goes to this one. */
  take(session: EstablishedSession): void {
    const former = this.#session
    this.#session = session
    this.#disarm()
    former?.end(REPLACED)
    // It does not send before it has been told that it stands.
    this.#full = true
    queueMicrotask(() => this.drained(session))
  }

  drained(session: EstablishedSession): void {
    if (session !== this.#session) return
    this.#full = false
    while (!this.#full) {
      const next = this.#shift()
      if (next === undefined) return
      this.#full = !session.send(next.stanza)
      next.settle?.(TAKEN)
    }
  }

  /** Nothing can be sent on this stream any more. */
  left(session: EstablishedSession): void {
    if (session !== this.#session) return
    this.#session = null
    this.#full = false
    this.#awaySinceMs = this.#options.context.clock.monotonicMs()
    this.#giveUp()
  }

  /** Nothing more is taken, and what waits goes back. */
  stop(): void {
    this.#stopped = true
    this.#disarm()
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) this.#refuse(next, STOPPING)
  }

  #keep(stanza: Stanza): Delivery | Promise<Delivery> {
    const { queueStanzas, queueSlowStanzas, queueBytes } = this.#options.context.limits
    const count = this.#waiting.length
    if (count >= queueStanzas || (count > 0 && this.#bytes + stanza.bytes.length > queueBytes))
      return { taken: false, ...this.#tooMuch() }
    // Held for a component that is away: its source goes on, until much has come together.
    if (this.#session === null && count < queueSlowStanzas) {
      this.#push(stanza, null)
      return TAKEN
    }
    return new Promise(resolve => this.#push(stanza, resolve))
  }

  #push(stanza: Stanza, settle: Waiting['settle']): void {
    this.#waiting.push({ stanza, sinceMs: this.#options.context.clock.monotonicMs(), settle })
    this.#bytes += stanza.bytes.length
    if (this.#session === null && this.#timer === null) this.#giveUp()
  }

  #shift(): Waiting | undefined {
    const next = this.#waiting.shift()
    this.#bytes -= next?.stanza.bytes.length ?? 0
    return next
  }

  /** Sends back what has waited its time, and comes again for the rest. */
  #giveUp(): void {
    this.#disarm()
    const { holdMs, context } = this.#options
    for (;;) {
      const oldest = this.#waiting[0]
      if (oldest === undefined) return
      const leftMs = Math.max(oldest.sinceMs, this.#awaySinceMs) + holdMs - context.clock.monotonicMs()
      if (leftMs > 0) {
        this.#timer = context.clock.setTimer(leftMs, () => this.#giveUp())
        return
      }
      this.#shift()
      this.#refuse(oldest, this.#away())
    }
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #refuse({ stanza, settle }: Waiting, error: StanzaError): void {
    if (settle !== null) {
      settle({ taken: false, ...error })
      return
    }
    const answer = bounce(stanza, error)
    // How many there can be is bounded; nobody waits who could be slowed.
    if (answer !== null) void this.#options.context.send(answer)
  }

  /**
   * Not service-unavailable, which is what an account that does not exist says too, and for good: the name is right, nobody
   * answers there at present, and trying again later is sensible (RFC 6120 §8.3.3.16).
   */
  #away(): StanzaError {
    const { name, holdMs } = this.#options
    const still = holdMs === 0 ? 'is not connected' : `was not back within ${Math.ceil(holdMs / 1_000)} s`
    return { condition: 'remote-server-timeout', text: `${name}: the component behind this name ${still}` }
  }

  #tooMuch(): StanzaError {
    const { name } = this.#options
    const why =
      this.#session === null
        ? 'is not connected, and too much is waiting for it'
        : 'reads more slowly than it is sent to'
    return { condition: 'resource-constraint', text: `${name}: the component behind this name ${why}` }
  }
}

const TAKEN: Delivery = Object.freeze({ taken: true })
const STOPPING: StanzaError = { condition: 'service-unavailable', text: 'this server is stopping' }

const REPLACED: Failure = {
  by: 'peer',
  kind: 'violation',
  condition: 'conflict',
  rule: 'CO-02',
  detail: 'another connection of this component has taken its place',
}

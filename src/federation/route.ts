import type { Clock, Limits, Observer, Random, Timer } from '../base/index.ts'
import type { DomainPair, Failure, Stanza, StanzaError } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import { Backlog, type BacklogLimits } from './backlog.ts'
import { Backoff, type BackoffLimits } from './backoff.ts'
import type { Connect, ConnectHandler } from './connect.ts'
import { Live } from './live.ts'
import type { RoutePolicy } from './policy.ts'
import { type QueueTotal, Room } from './queue.ts'
import { inDoubt, queueFull, STOPPING, tooLarge, tooLate, undeliverable } from './reasons.ts'

export type RouteLimits = BacklogLimits &
  BackoffLimits &
  Pick<
    Limits,
    'goodLifeMs' | 'negativeCacheMs' | 'outboundIdleMs' | 'retryMaxMs' | 'sendMaxBytes' | 'stanzaBytes'
  >

/** How the sender of a stanza that leaves this way learns what became of it. */
export interface Returns {
  /**
   * Bounce it, or drop it where it must not be answered, and count that.
   * @returns what whoever brought the stanza should wait for, because the way back has no room
   */
  bounce(stanza: Stanza, error: StanzaError): Promise<void> | undefined
  /** Its outcome is counted; tell the sender all the same. */
  tell(stanza: Stanza, error: StanzaError): void
}

export interface RouteOptions {
  readonly pair: DomainPair
  readonly connect: Connect
  readonly policy: RoutePolicy
  readonly returns: Returns
  readonly account: Account
  readonly total: QueueTotal
  readonly observer: Observer
  readonly limits: RouteLimits
  readonly clock: Clock
  readonly random: Random
  /** nothing is queued, open or remembered any longer */
  readonly onForgettable: (route: Route) => void
}

type State =
  /** no stream, nothing queued */
  | { readonly name: 'idle' }
  | { readonly name: 'dialling'; readonly abort: AbortController }
  /** the backlog is empty unless `live` is blocked, or on its end */
  | { readonly name: 'open'; readonly live: Live }
  /** we ended it; what comes meanwhile waits for the next one */
  | { readonly name: 'closing'; readonly live: Live }
  /** back-off; `refusing`: the domain has been given up for so long */
  | { readonly name: 'waiting'; readonly failure: Failure | null; readonly refusing: boolean }
  | { readonly name: 'stopped' }

export type RouteState = State['name']

/**
 * The way from one local domain to one remote domain: at most one stream, one dial, and the backlog of what neither has
 * taken yet. Order holds across streams: what waits goes before what comes. What was written is never written again, so
 * there are no duplicates, and no stanza can kill a second stream (DECISIONS 6).
 */
export class Route {
  readonly pair: DomainPair
  readonly #options: RouteOptions
  readonly #backlog: Backlog
  readonly #room = new Room()
  readonly #drained = new Room()
  readonly #backoff: Backoff
  /** who waits for the end of the stream */
  readonly #endListeners: (() => void)[] = []
  #state: State = IDLE
  /** back-off, idle look or forgetting: whichever the state needs */
  #timer: Timer | null = null
  /** no further dials */
  #stopping = false

  constructor(options: RouteOptions) {
    const { pair, returns } = options
    this.pair = pair
    this.#options = options
    this.#backoff = new Backoff(options.limits, options.random)
    this.#backlog = new Backlog({
      ...options,
      lateError: () => this.#lateError(),
      bounce: (stanza, error) => void returns.bounce(stanza, error),
      report: (error, count) => this.#report(error, count),
      onRoom: () => this.#roomMade(),
    })
  }

  get state(): RouteState {
    return this.#state.name
  }

  /** Its source should wait. */
  get crowded(): boolean {
    const state = this.#state
    return state.name === 'open' && state.live.isOpen ? state.live.blocked : this.#backlog.crowded
  }

  /** Even a source that must not wait had better do so. */
  get full(): boolean {
    return this.#backlog.isFull(this.#spareBytes())
  }

  /** Whatever comes next has room, although its source was told to wait. */
  get roomy(): boolean {
    return this.#backlog.isRoomy(this.#spareBytes())
  }

  /** Accepted and without an outcome: waiting, or written and not confirmed. */
  held(): number {
    const live = this.#live()
    return this.#backlog.size + (live === null ? 0 : live.held)
  }

  /**
   * Takes the stanza, or says why it must be bounced. The caller asks for `room` afterwards either way.
   * @param isOwed it stands for one that has just left a queue: there is always room for that
   */
  offer(stanza: Stanza, isOwed = false): StanzaError | null {
    const state = this.#state
    // Where the stream is on its end, as the peer closes it, what comes waits for the next one.
    if (state.name === 'open' && !state.live.blocked && state.live.isOpen)
      return this.#write(state.live, stanza)
    if (this.#stopping && state.name !== 'open') return this.#undeliverable(STOPPING)
    if (state.name === 'waiting' && state.refusing && state.failure !== null)
      return this.#undeliverable(state.failure)
    const refusal = isOwed ? this.#put(stanza) : this.#push(stanza)
    if (refusal === null && state.name === 'idle') this.#dial()
    return refusal
  }

  /** What a source waits for before it goes on; undefined while there is room. */
  room(): Promise<void> | undefined {
    return this.crowded ? this.#room.wait() : undefined
  }

  /** Its source need not wait: whoever it waits for may wait for it. */
  nudge(): void {
    if (this.roomy) this.#room.open()
  }

  /** Resolves once nothing waits for a stream. */
  drained(): Promise<void> | undefined {
    return this.#backlog.size > 0 ? this.#drained.wait() : undefined
  }

  /** The peer has just proven to be up: no reason to wait any longer. */
  peerIsUp(): void {
    if (this.#state.name === 'waiting') this.#next()
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#live()?.settle()
  }

  /** Bounce what waits, once each, with one condition. */
  bounceWaiting(failure: Failure): void {
    this.#backlog.bounceAll(this.#undeliverable(failure))
    this.#roomMade()
  }

  /** No more dials: what waits without a stream is bounced, a stream that stands serves on. */
  stopDialling(): void {
    this.#stopping = true
    const state = this.#state
    if (state.name === 'open' || state.name === 'stopped') return
    if (state.name === 'dialling') state.abort.abort()
    if (state.name !== 'closing') this.#move(STOPPED)
    this.bounceWaiting(STOPPING)
  }

  /** End the stream, with the stream error of `failure`. Resolves when it has ended. */
  end(failure: Failure): Promise<void> {
    this.stopDialling()
    const state = this.#state
    if (state.name === 'stopped') return DONE
    const ended = new Promise<void>(resolve => this.#endListeners.push(resolve))
    if (state.name === 'open') {
      this.#move({ name: 'closing', live: state.live })
      this.bounceWaiting(failure)
      state.live.session.end(failure)
    }
    return ended
  }

  /** The budget is spent. */
  abort(): void {
    this.#live()?.session.abort(STOPPING)
  }

  #live(): Live | null {
    const state = this.#state
    return state.name === 'open' || state.name === 'closing' ? state.live : null
  }

  #write(live: Live, stanza: Stanza): StanzaError | null {
    const { maxBytes } = live.session.peerLimits
    if (maxBytes !== null && stanza.bytes.length > maxBytes)
      return tooLarge(this.#subject, stanza.bytes.length, maxBytes) // LI-03
    live.write(stanza)
    return null
  }

  /** From the backlog into the stream, until it is full. */
  #pump(live: Live): void {
    live.blocked = false
    while (!live.blocked && live.isOpen) {
      const stanza = this.#backlog.shift()
      if (stanza === undefined) break
      const error = this.#write(live, stanza)
      if (error !== null) this.#options.returns.bounce(stanza, error)
    }
    this.#roomMade()
  }

  /** The backlog and the buffers of a stream that is full keep to sendMaxBytes together: a slow reader costs no more. */
  #spareBytes(): number | null {
    const state = this.#state
    if (state.name !== 'open' || !state.live.isOpen) return null
    const { sendMaxBytes, sendHighWaterBytes } = this.#options.limits
    return sendMaxBytes - sendHighWaterBytes - state.live.lastBytes
  }

  #push(stanza: Stanza): StanzaError | null {
    const isReading = this.#state.name === 'open'
    return this.#backlog.push(stanza, this.#spareBytes(), () => queueFull(this.#subject, isReading))
  }

  #put(stanza: Stanza): null {
    this.#backlog.put(stanza)
    return null
  }

  #roomMade(): void {
    if (this.#backlog.size === 0) this.#drained.open()
    if (!this.#backlog.crowded) this.#backlog.roomMade()
    if (!this.crowded) this.#room.open()
  }

  #dial(): void {
    const abort = new AbortController()
    this.#move({ name: 'dialling', abort })
    this.#options.connect(this.pair, this.#handler(abort), abort.signal)
  }

  /** One dial and the stream that may come of it. */
  #handler(abort: AbortController): ConnectHandler {
    let live: Live | null = null
    const isCurrent = () => this.#state.name === 'dialling' && this.#state.abort === abort
    return {
      onConnected: session => {
        const { clock, account } = this.#options
        live = new Live(session, clock.monotonicMs(), account)
        if (isCurrent()) this.#open(live)
        else session.end(STOPPING)
      },
      onFailed: failure => {
        if (isCurrent()) this.#failed(failure)
      },
      onDrain: () => {
        if (this.#state.name === 'open' && this.#state.live === live) this.#pump(live)
      },
      onEnded: (failure, unconfirmed, count) => {
        if (live !== null && live === this.#live()) this.#ended(live, failure, unconfirmed, count)
      },
    }
  }

  #open(live: Live): void {
    this.#move({ name: 'open', live })
    this.#options.policy.isUp(this.pair.remote)
    this.#pump(live)
    this.#watchIdle(live)
  }

  #failed(failure: Failure): void {
    const after = this.#wait(failure)
    if (after !== 'hold') this.bounceWaiting(failure)
  }

  #ended(live: Live, failure: Failure | null, unconfirmed: readonly Stanza[], count: number): void {
    const { returns, limits, clock } = this.#options
    const isOurDoing = this.#state.name === 'closing'
    live.close(count)
    if (this.#stopping) {
      this.#move(STOPPED)
      this.bounceWaiting(STOPPING)
    } else {
      const hasLasted = clock.monotonicMs() - live.sinceMs >= limits.goodLifeMs
      if (hasLasted) this.#backoff.reset()
      if (hasLasted || isOurDoing) this.#next()
      else if (failure === null) this.#backOff(null)
      else if (this.#wait(failure) === 'refuse') this.bounceWaiting(failure)
    }
    if (unconfirmed.length > 0) {
      const error = inDoubt(this.#subject, failure)
      this.#report(error, unconfirmed.length)
      for (const stanza of unconfirmed) returns.tell(stanza, error)
    }
    this.#roomMade()
    for (const listener of this.#endListeners.splice(0)) listener()
  }

  /** Dial if there is reason to, else rest. */
  #next(): void {
    if (this.#backlog.size > 0) this.#dial()
    else this.#rest()
  }

  /** Do for a while what the policy says after such a failure, which is returned. */
  #wait(failure: Failure): 'bounce' | 'hold' | 'refuse' {
    const { limits, policy } = this.#options
    const after = policy.afterFailure(this.pair.remote, failure)
    if (after !== 'refuse') this.#backOff(failure)
    // Discovery remembers for itself that there is nothing, and answers at once.
    else if (failure.kind === 'no-endpoint') this.#rest()
    else this.#pause(failure, limits.negativeCacheMs, true)
    return after
  }

  #backOff(failure: Failure | null): void {
    this.#pause(failure, this.#backoff.next(failure), false)
  }

  #pause(failure: Failure | null, delayMs: number, refusing: boolean): void {
    this.#move({ name: 'waiting', failure, refusing })
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#next())
  }

  /** Failures are remembered for a while, so that the next one backs off further. */
  #rest(): void {
    const { clock, limits, onForgettable } = this.#options
    this.#move(IDLE)
    const delayMs = this.#backoff.failures === 0 ? 0 : limits.retryMaxMs
    this.#timer = clock.setTimer(delayMs, () => onForgettable(this))
  }

  #move(state: State): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#state = state
  }

  /** ST-22: generous, in order, and never while something is under way. */
  #watchIdle(live: Live): void {
    const { clock, limits } = this.#options
    this.#timer = clock.setTimer(limits.outboundIdleMs, () => {
      this.settle()
      const isQuiet = !live.used && this.held() === 0
      live.used = false
      if (isQuiet) {
        this.#move({ name: 'closing', live })
        live.session.end(null)
      } else this.#watchIdle(live)
    })
  }

  /** Why a stanza has waited too long. */
  #lateError(): StanzaError {
    const state = this.#state
    if (state.name === 'open') return queueFull(this.#subject, true)
    const failure = state.name === 'waiting' ? state.failure : null
    return this.#undeliverable(failure ?? tooLate(this.#options.limits.queueAgeMs))
  }

  get #subject(): string {
    return this.#options.policy.subject(this.pair.remote)
  }

  #undeliverable(failure: Failure): StanzaError {
    // What we do ourselves is no news of anybody's server.
    return undeliverable(failure.by === 'us' ? this.pair.remote : this.#subject, failure)
  }

  #report(error: StanzaError, count: number): void {
    const { local, remote } = this.pair
    const { condition, text = '' } = error
    this.#options.observer.publish({ type: 'stanza:bounced', local, remote, condition, count, detail: text })
  }
}

const IDLE: State = { name: 'idle' }
const STOPPED: State = { name: 'stopped' }
const DONE = Promise.resolve()

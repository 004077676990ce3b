import type { Timer } from '../base/index.ts'
import type { DomainPair, Failure, Stanza, StanzaError } from '../xmpp/index.ts'
import { Backlog } from './backlog.ts'
import { Backoff } from './backoff.ts'
import type { OutboundSession, StreamHandler } from './connect.ts'
import { type DialledHandler, Dialler } from './dialler.ts'
import { Handover } from './handover.ts'
import { Live } from './live.ts'
import { Notices } from './notices.ts'
import { Room } from './queue.ts'
import { STOPPING, tooLate } from './reasons.ts'
import type { RouteOptions } from './route-options.ts'
import { Streams } from './streams.ts'
import { Watch } from './watch.ts'

type State =
  /** no stream, nothing queued */
  | { readonly name: 'idle' }
  | { readonly name: 'dialling' }
  /** the backlog is empty unless `live` is blocked, on its end, or handing over */
  | { readonly name: 'open'; readonly live: Live }
  /** we ended it; what comes meanwhile waits for the next one */
  | { readonly name: 'closing'; readonly live: Live }
  /** back-off; `refusing`: the domain has been given up for so long */
  | { readonly name: 'waiting'; readonly failure: Failure | null; readonly refusing: boolean }
  | { readonly name: 'stopped' }

export type RouteState = State['name']

/**
 * The way from one local domain to one remote domain: one stream that is written to, one dial, and the backlog of what
 * neither has taken yet. Beside it stand streams that are still read or in reserve: the newest is written to (DECISIONS
 * 22). Order holds across streams: what waits goes before what comes, and nothing goes by a new one before the old one's
 * are confirmed. What was written is never written again, so there are no duplicates, and no stanza can kill a second
 * stream (DECISIONS 6).
 */
export class Route {
  readonly pair: DomainPair
  readonly #options: RouteOptions
  readonly #notices: Notices
  readonly #backlog: Backlog
  readonly #room = new Room()
  readonly #drained = new Room()
  readonly #backoff: Backoff
  readonly #dialler: Dialler
  readonly #streams = new Streams()
  /** who waits for the end of our streams */
  readonly #endListeners: (() => void)[] = []
  #state: State = IDLE
  /** the stream of the open state, except while it hands over */
  #out: Live | null = null
  #handover: Handover | null = null
  /** back-off, renewal or forgetting: whichever the state needs */
  #timer: Timer | null = null
  /** BI-07: until then there is to be a stream, whether anything waits or not */
  #keepUntilMs = 0
  /** no further dials */
  #stopping = false
  /** no further stream */
  #ending = false

  constructor(options: RouteOptions) {
    const { pair, connect, receive, returns, limits, random } = options
    this.pair = pair
    this.#options = options
    this.#notices = new Notices(options)
    this.#backoff = new Backoff(limits, random)
    this.#backlog = new Backlog({
      ...options,
      lateError: () => this.#lateError(),
      bounce: (stanza, error) => void returns.bounce(stanza, error),
      report: (error, count) => this.#notices.report(error, count),
      onRoom: () => this.#roomMade(),
    })
    this.#dialler = new Dialler({
      pair,
      connect,
      receive,
      onStands: session => this.#dialled(session),
      onFailed: failure => this.#notDialled(failure),
    })
  }

  get state(): RouteState {
    return this.#state.name
  }

  /** Its source should wait. */
  get crowded(): boolean {
    const out = this.#out
    return out?.isOpen === true ? out.blocked : this.#backlog.crowded
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
    return this.#backlog.size + this.#streams.held()
  }

  /**
   * Takes the stanza, or says why it must be bounced. The caller asks for `room` afterwards either way.
   * @param isOwed it stands for one that has just left a queue: there is always room for that
   */
  offer(stanza: Stanza, isOwed = false): StanzaError | null {
    const out = this.#out
    // Where the stream is on its end, as the peer closes it, what comes waits for the next one.
    if (out !== null && !out.blocked && out.isOpen) return this.#write(out, stanza)
    const state = this.#state
    if (this.#stopping && state.name !== 'open') return this.#notices.undeliverable(STOPPING)
    if (state.name === 'waiting' && state.refusing && state.failure !== null)
      return this.#notices.undeliverable(state.failure)
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

  /** Write to a stream that the peer has opened and that takes stanzas; it is the peer's to end. */
  adopt(session: OutboundSession): StreamHandler {
    const live = new Live(session, this.#options.clock.monotonicMs(), this.#options.account, false)
    this.#stands(live)
    return this.#handlerOf(live, null)
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#streams.settle()
  }

  /** Bounce what waits, once each, with one condition. */
  bounceWaiting(failure: Failure): void {
    this.#backlog.bounceAll(this.#notices.undeliverable(failure))
    this.#roomMade()
  }

  /** No more dials: what waits without a stream is bounced, a stream that stands serves on. */
  stopDialling(): void {
    this.#stopping = true
    this.#dialler.stop()
    const { name } = this.#state
    if (name === 'open' || name === 'stopped') return
    if (name !== 'closing') this.#move(STOPPED)
    this.bounceWaiting(STOPPING)
  }

  /** End our streams, with the stream error of `failure`. Resolves when they have ended. */
  end(failure: Failure): Promise<void> {
    this.stopDialling()
    this.#ending = true
    this.#leave()
    const ours = this.#streams.ours()
    if (this.#state.name === 'open') {
      this.#move(ours.length > 0 ? { name: 'closing', live: this.#state.live } : STOPPED)
      this.bounceWaiting(failure)
    }
    if (ours.length === 0) return DONE
    const ended = new Promise<void>(resolve => this.#endListeners.push(resolve))
    for (const live of ours) live.end(failure)
    return ended
  }

  /** The budget is spent. */
  abort(): void {
    for (const live of this.#streams.ours()) live.session.abort(STOPPING)
  }

  // -- writing -------------------------------------------------------------------------------------------------------

  #write(live: Live, stanza: Stanza): StanzaError | null {
    const { maxBytes } = live.session.peerLimits
    if (maxBytes !== null && stanza.bytes.length > maxBytes)
      return this.#notices.tooLarge(stanza.bytes.length, maxBytes) // LI-03
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
    const out = this.#out
    if (out?.isOpen !== true) return null
    const { sendMaxBytes, sendHighWaterBytes } = this.#options.limits
    return sendMaxBytes - sendHighWaterBytes - out.lastBytes
  }

  #push(stanza: Stanza): StanzaError | null {
    const isReading = this.#state.name === 'open'
    return this.#backlog.push(stanza, this.#spareBytes(), () => this.#notices.full(isReading))
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

  // -- streams -------------------------------------------------------------------------------------------------------

  #dialled(session: OutboundSession): DialledHandler {
    const { clock, account, keepUp } = this.#options
    const live = new Live(session, clock.monotonicMs(), account, true)
    if (keepUp && session.bidi) this.#keepUntilMs = Number.POSITIVE_INFINITY
    const watch = new Watch({
      ...this.#options,
      live,
      onQuiet: () => this.#quiet(live),
      onAged: () => this.#aged(live),
    })
    this.#stands(live)
    return this.#handlerOf(live, watch)
  }

  #handlerOf(live: Live, watch: Watch | null): DialledHandler {
    return {
      onStanza: stanza => {
        live.used = true
        return this.#options.receive(stanza)
      },
      onDrain: () => {
        live.blocked = false
        if (live === this.#out) this.#pump(live)
      },
      onEnded: (failure, unconfirmed, count) => {
        watch?.stop()
        this.#ended(live, failure, unconfirmed, count)
      },
    }
  }

  #stands(live: Live): void {
    this.#streams.add(live)
    this.#options.policy.isUp(this.pair.remote)
    const state = this.#state
    if (state.name === 'open') this.#succeeds(state.live, live)
    // Beside a stream that we are ending it comes next.
    else if (state.name !== 'closing' && state.name !== 'stopped') this.#open(live)
  }

  #open(live: Live): void {
    this.#move({ name: 'open', live })
    this.#out = live
    this.#pump(live)
    if (live.aged) this.#renew()
  }

  /** The newest is the one that we write to (DECISIONS 22), unless it was dialled for nothing. */
  #succeeds(from: Live, to: Live): void {
    if (to.isOurs && !to.session.bidi && !from.aged && from.isOpen) {
      to.end(null)
      return
    }
    const { limits, clock } = this.#options
    const before = this.#leave()
    if (before?.isOurs && !before.session.bidi) before.end(null)
    const onOver = (isDone: boolean) => (isDone ? this.#handedOver(from, to) : this.#handedBack(from, to))
    this.#handover = new Handover({ from, to, limits, clock, onOver })
    this.#handover.start()
  }

  #handedOver(from: Live, to: Live): void {
    this.#handover = null
    if (from.aged) this.#backoff.reset()
    // The peer may write to one that is bidi as long as that is the newest that it knows of.
    if (from.isOurs && (from.aged || !from.session.bidi)) from.end(null)
    this.#open(to)
  }

  /** It did not become of it: the old one goes on. */
  #handedBack(from: Live, to: Live): void {
    this.#leave()
    if (to.isOurs) to.end(null)
    this.#out = from
    this.#pump(from)
    if (from.aged) this.#renewLater(null)
  }

  /** Nothing is written for now. @returns the stream that was to be written to next */
  #leave(): Live | null {
    const handover = this.#handover
    handover?.cancel()
    this.#handover = null
    this.#out = null
    return handover?.to ?? null
  }

  /** ST-22: generous, in order, and never while something is under way. */
  #quiet(live: Live): void {
    if (this.#keepUntilMs > 0 && live.session.bidi) return
    if (this.#isCurrent(live)) {
      if (this.#handover !== null || this.#backlog.size > 0) return
      this.#leave()
      this.#move({ name: 'closing', live })
    } else if (live === this.#handover?.to) return
    live.end(null)
  }

  /** SECURITY 6.2: a stream ends before a platform cuts it; the next one stands before. */
  #aged(live: Live): void {
    if (this.#isCurrent(live)) this.#renew()
    else if (live !== this.#handover?.to) live.end(null)
  }

  #renew(): void {
    if (!this.#stopping) this.#dialler.start()
  }

  #renewLater(failure: Failure | null): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(this.#backoff.next(failure), () => this.#renew())
  }

  #isCurrent(live: Live): boolean {
    const state = this.#state
    return (state.name === 'open' || state.name === 'closing') && state.live === live
  }

  #ended(live: Live, failure: Failure | null, unconfirmed: readonly Stanza[], count: number): void {
    live.close(count)
    this.#streams.remove(live)
    const handover = this.#handover
    if (live === handover?.to) this.#handedBack(handover.from, live)
    else if (this.#isCurrent(live)) this.#lost(live, failure)
    if (unconfirmed.length > 0) {
      const error = this.#notices.inDoubt(failure)
      this.#notices.report(error, unconfirmed.length)
      for (const stanza of unconfirmed) this.#options.returns.tell(stanza, error)
    }
    this.#roomMade()
    if (this.#ending && this.#streams.ours().length === 0) {
      this.#move(STOPPED)
      for (const listener of this.#endListeners.splice(0)) listener()
    }
  }

  // -- without a stream ----------------------------------------------------------------------------------------------

  #lost(live: Live, failure: Failure | null): void {
    const { limits, clock } = this.#options
    const nowMs = clock.monotonicMs()
    const hasLasted = nowMs - live.sinceMs >= limits.goodLifeMs
    const isOurDoing = this.#state.name === 'closing'
    if (this.#keepUntilMs > 0) this.#keepUntilMs = nowMs + limits.keepUpMs
    if (hasLasted && live.isOurs) this.#backoff.reset()
    this.#leave()
    const next = this.#ending ? null : this.#streams.newest()
    if (next !== null) this.#open(next)
    else if (this.#stopping) {
      this.#move(STOPPED)
      this.bounceWaiting(STOPPING)
    } else if (this.#dialler.busy) this.#move(DIALLING)
    else if (isOurDoing) this.#next()
    else if (!live.isOurs) this.#comeBack(failure)
    else this.#again(failure, hasLasted)
  }

  /** A stream of ours is lost: once we dial at once, then we back off. */
  #again(failure: Failure | null, hasLasted: boolean): void {
    if (failure === null && hasLasted) this.#next()
    else if ((hasLasted || failure?.by === 'network') && this.#backoff.retriesAtOnce()) this.#next()
    else if (failure === null) this.#backOff(null)
    else if (this.#wait(failure) === 'refuse') this.bounceWaiting(failure)
  }

  /** A peer whose stream was cut opens another one at once, and perhaps only it can: give it a moment. */
  #comeBack(failure: Failure | null): void {
    if (failure?.by === 'network') this.#pause(failure, this.#options.limits.retryMinMs, false)
    else this.#next()
  }

  /** Dial if there is reason to, else rest. */
  #next(): void {
    if (this.#backlog.size > 0 || this.#isKeptUp()) this.#dial()
    else this.#rest()
  }

  #isKeptUp(): boolean {
    return this.#options.clock.monotonicMs() < this.#keepUntilMs
  }

  #dial(): void {
    this.#move(DIALLING)
    this.#dialler.start()
  }

  #notDialled(failure: Failure): void {
    const state = this.#state
    if (state.name === 'dialling') {
      if (this.#wait(failure) !== 'hold') this.bounceWaiting(failure)
    } else if (state.name === 'open' && state.live.aged) this.#renewLater(failure)
  }

  /** Do for a while what the policy says after such a failure, which is returned. */
  #wait(failure: Failure): 'bounce' | 'hold' | 'refuse' {
    const { limits, policy } = this.#options
    const after = policy.afterFailure(this.pair.remote, failure)
    if (after !== 'refuse') this.#backOff(failure)
    // Discovery remembers for itself that there is nothing, and answers at once.
    else if (failure.kind === 'no-endpoint' && !this.#isKeptUp()) this.#rest()
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
    const delayMs = this.#backoff.isFresh ? 0 : limits.retryMaxMs
    this.#timer = clock.setTimer(delayMs, () => onForgettable(this))
  }

  #move(state: State): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#state = state
  }

  /** Why a stanza has waited too long. */
  #lateError(): StanzaError {
    const state = this.#state
    if (state.name === 'open') return this.#notices.full(true)
    const failure = state.name === 'waiting' ? state.failure : null
    return this.#notices.undeliverable(failure ?? tooLate(this.#options.limits.queueAgeMs))
  }
}

const IDLE: State = { name: 'idle' }
const DIALLING: State = { name: 'dialling' }
const STOPPED: State = { name: 'stopped' }
const DONE = Promise.resolve()

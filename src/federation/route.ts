import type { DomainPair, Failure, Stanza, StanzaError } from '../xmpp/index.ts'
import { Backlog } from './backlog.ts'
import type { OutboundSession, StreamHandler } from './connect.ts'
import { Dialler } from './dialler.ts'
import type { Live } from './live.ts'
import { Notices } from './notices.ts'
import { Room } from './queue.ts'
import { STOPPING, tooLate } from './reasons.ts'
import { Redial } from './redial.ts'
import type { RouteOptions } from './route-options.ts'
import { Ways } from './ways.ts'

/**
 * idle: no stream, nothing queued · dialling · open: the backlog is empty unless the stream is blocked, on its end, or
 * handing over · closing: we are ending it, and what comes waits for the next one · waiting: back-off · stopped
 */
export type RouteState = Redial['state'] | 'closing'

/**
 * The way from one local domain to one remote domain: its streams (Ways), when it dials (Redial), and the backlog of what
 * no stream has taken yet. Order holds across streams: what waits goes before what comes. What was written is never
 * written again, so there are no duplicates, and no stanza can kill a second stream (DECISIONS 6).
 */
export class Route {
  readonly pair: DomainPair
  readonly #options: RouteOptions
  readonly #notices: Notices
  readonly #backlog: Backlog
  readonly #room = new Room()
  readonly #drained = new Room()
  readonly #ways: Ways
  readonly #redial: Redial
  /** who waits for the end of our streams */
  readonly #endListeners: (() => void)[] = []
  /** no further dials */
  #stopping = false

  constructor(options: RouteOptions) {
    this.pair = options.pair
    this.#options = options
    this.#notices = new Notices(options)
    this.#backlog = this.#newBacklog()
    this.#ways = this.#newWays()
    this.#redial = this.#newRedial()
  }

  get state(): RouteState {
    const { state } = this.#redial
    return state === 'open' && this.#ways.state === 'closing' ? 'closing' : state
  }

  /** Its source should wait. */
  get crowded(): boolean {
    const { out } = this.#ways
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
    return this.#backlog.size + this.#ways.held()
  }

  /**
   * Takes the stanza, or says why it must be bounced. The caller asks for `room` afterwards either way.
   * @param isOwed it stands for one that has just left a queue: there is always room for that
   */
  offer(stanza: Stanza, isOwed = false): StanzaError | null {
    const { out } = this.#ways
    // Where the stream is on its end, as the peer closes it, what comes waits for the next one.
    if (out !== null && !out.blocked && out.isOpen) return this.#write(out, stanza)
    const refusal = this.#refusal() ?? (isOwed ? this.#put(stanza) : this.#push(stanza))
    if (refusal === null) this.#redial.need()
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
    this.#redial.peerIsUp()
  }

  /** Write to a stream that the peer has opened and that takes stanzas; it is the peer's to end. */
  adopt(session: OutboundSession): StreamHandler {
    return this.#ways.adopted(session)
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#ways.settle()
  }

  /** Bounce what waits, once each, with one condition. */
  bounceWaiting(failure: Failure): void {
    this.#backlog.bounceAll(this.#notices.undeliverable(failure))
    this.#roomMade()
  }

  /** No more dials: what waits without a stream is bounced, a stream that stands serves on. */
  stopDialling(): void {
    this.#stopping = true
    this.#redial.stop()
    if (this.#ways.state !== 'open') this.bounceWaiting(STOPPING)
  }

  /** End our streams, with the stream error of `failure`. Resolves when they have ended. */
  end(failure: Failure): Promise<void> {
    this.stopDialling()
    const ended = new Promise<void>(resolve => this.#endListeners.push(resolve))
    this.#ways.end(failure)
    this.bounceWaiting(failure)
    this.#settleEnd()
    return ended
  }

  /** The budget is spent. */
  abort(): void {
    this.#ways.abort(STOPPING)
  }

  #write(live: Live, stanza: Stanza): StanzaError | null {
    const { maxBytes } = live.session.peerLimits
    if (maxBytes !== null && stanza.bytes.length > maxBytes)
      return this.#notices.tooLarge(stanza.bytes.length, maxBytes) // LI-03
    live.write(stanza)
    return null
  }

  /** From the backlog into the stream, until it is full. */
  #pump(live: Live): void {
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
    const { out } = this.#ways
    if (out?.isOpen !== true) return null
    const { sendMaxBytes, sendHighWaterBytes } = this.#options.limits
    return sendMaxBytes - sendHighWaterBytes - out.lastBytes
  }

  /** why nothing is taken at present */
  #refusal(): StanzaError | null {
    const failure = this.#stopping && this.#ways.state !== 'open' ? STOPPING : this.#redial.refusal
    return failure === null ? null : this.#notices.undeliverable(failure)
  }

  #push(stanza: Stanza): StanzaError | null {
    const isReading = this.#ways.state === 'open'
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

  #inDoubt(unconfirmed: readonly Stanza[], failure: Failure | null): void {
    const error = this.#notices.inDoubt(failure)
    this.#notices.report(error, unconfirmed.length)
    for (const stanza of unconfirmed) this.#options.returns.tell(stanza, error)
  }

  /** Somebody waits for the end, and it is there. */
  #settleEnd(): void {
    if (this.#endListeners.length === 0 || this.#ways.ours > 0) return
    this.#redial.end()
    for (const listener of this.#endListeners.splice(0)) listener()
  }

  /** Why a stanza has waited too long. */
  #lateError(): StanzaError {
    if (this.#ways.state === 'open') return this.#notices.full(true)
    return this.#notices.undeliverable(this.#redial.failure ?? tooLate(this.#options.limits.queueAgeMs))
  }

  // -- the parts -----------------------------------------------------------------------------------------------------

  #newBacklog(): Backlog {
    const { returns } = this.#options
    return new Backlog({
      ...this.#options,
      lateError: () => this.#lateError(),
      bounce: (stanza, error) => void returns.bounce(stanza, error),
      report: (error, count) => this.#notices.report(error, count),
      onRoom: () => this.#roomMade(),
    })
  }

  #newWays(): Ways {
    return new Ways({
      ...this.#options,
      onOpen: live => this.#redial.opened(live),
      onRoom: live => this.#pump(live),
      onGone: (live, failure, isOurDoing) => this.#redial.lost(live, failure, isOurDoing),
      onInDoubt: (unconfirmed, failure) => this.#inDoubt(unconfirmed, failure),
      onAged: () => this.#redial.renew(),
      onNotRenewed: () => this.#redial.renewLater(null),
      onRenewed: () => this.#redial.renewed(),
      onEnded: () => {
        this.#roomMade()
        this.#settleEnd()
      },
    })
  }

  #newRedial(): Redial {
    const { pair, connect, receive, onForgettable } = this.#options
    const dialler = new Dialler({
      pair,
      connect,
      receive,
      onStands: session => this.#ways.dialled(session),
      onFailed: failure => this.#redial.failed(failure),
    })
    return new Redial({
      ...this.#options,
      dialler,
      isNeeded: () => this.#backlog.size > 0,
      isClear: () => this.#ways.isEmpty,
      isAged: () => this.#ways.isAged,
      onGivenUp: failure => this.bounceWaiting(failure),
      onForgettable: () => onForgettable(this),
    })
  }
}

import type { Watcher, Way } from '../session/index.ts'
import type { DomainPair, Failure, Stanza, StanzaError } from '../xmpp/index.ts'
import { Backlog } from './backlog.ts'
import type { OutboundSession, StreamHandler } from './connect.ts'
import { Dialler } from './dialler.ts'
import type { Live } from './live.ts'
import { Notices } from './notices.ts'
import { Room } from './queue.ts'
import { STOPPING, tooLate } from './reasons.ts'
import { Redial } from './redial.ts'
import { Resending } from './resending.ts'
import type { RouteOptions } from './route-options.ts'
import { type Unsettled, Ways } from './ways.ts'

/**
 * idle: no stream, nothing queued · dialling · open: the backlog is empty unless the stream is blocked, on its end, or
 * handing over · closing: we are ending it, and what comes waits for the next one · waiting: back-off · stopped
 */
export type RouteState = Redial['state'] | 'closing'

/**
 * The way from one local domain to one remote domain: its streams (Ways), when it dials (Redial), and the backlog of what
 * no stream has taken yet. Order holds across streams: what waits goes before what comes, and what a stream had not
 * delivered when it ended before that. What may have arrived goes out once more at most, so that no stanza kills streams
 * for ever (DECISIONS 6).
 */
export class Route implements Way {
  readonly pair: DomainPair
  /** stanzas that it has ever taken */
  given = 0
  readonly watchers = new Set<Watcher>()
  readonly #options: RouteOptions
  readonly #notices: Notices
  readonly #backlog: Backlog
  readonly #room = new Room()
  readonly #drained = new Room()
  readonly #ways: Ways
  readonly #redial: Redial
  readonly #resending = new Resending()
  /** outcomes of stanzas that went behind others which have none yet: they count once those have theirs */
  #ahead = 0
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
    const isWritten = out !== null && !out.blocked && out.isOpen
    const refusal = isWritten ? this.#write(out, stanza) : this.#keep(stanza, isOwed)
    if (refusal === null) this.given += 1
    return refusal
  }

  /** see Way; at least so many */
  settled(): number {
    this.settle()
    const held = this.held()
    if (held === 0) this.#ahead = 0
    return this.given - held - this.#ahead
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
    this.#ways.forsake()
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

  #keep(stanza: Stanza, isOwed: boolean): StanzaError | null {
    const refusal = this.#refusal() ?? (isOwed ? this.#put(stanza) : this.#push(stanza))
    if (refusal === null) this.#redial.need()
    return refusal
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
      if (error === null) continue
      if (this.#ways.held() > 0) this.#ahead += 1
      this.#bounce(stanza, error)
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
    this.#wake()
  }

  /** Whoever waits for outcomes has a look. */
  #wake(): void {
    for (const watcher of this.watchers) watcher.settled()
  }

  /** A stream has ended, and nothing has confirmed these. */
  #rest({ stanzas, count, fate, failure, sentMs }: Unsettled): void {
    const { account, limits } = this.#options
    account.inDoubt += count - stanzas.length
    if (fate === 'not-taken') this.#backlog.unshift(stanzas)
    else if (fate === 'in-doubt' || this.#stopping) this.#inDoubt(stanzas, failure)
    else {
      const { again, doubtful, ahead } = this.#resending.sort(stanzas, sentMs, limits.stanzaBytes)
      this.#backlog.unshift(again)
      account.resent += again.length
      if (again.length > 0) this.#notices.resent(again.length)
      this.#ahead += ahead
      this.#inDoubt(doubtful, failure)
    }
    if (this.#backlog.size === 0) return
    if (this.#stopping && this.#ways.state !== 'open') this.bounceWaiting(STOPPING)
    else this.#redial.need()
  }

  #inDoubt(stanzas: readonly Stanza[], failure: Failure | null): void {
    if (stanzas.length === 0) return
    const { account, returns } = this.#options
    const error = this.#notices.inDoubt(failure)
    account.inDoubt += stanzas.length
    this.#notices.report(error, stanzas.length)
    for (const stanza of stanzas) returns.tell(stanza, error)
  }

  /** What may have arrived before is not bounced, as if it had not. */
  #bounce(stanza: Stanza, error: StanzaError): void {
    const { account, returns } = this.#options
    if (this.#resending.has(stanza)) {
      account.inDoubt += 1
      returns.tell(stanza, this.#notices.inDoubt(null))
    } else void returns.bounce(stanza, error)
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
    return new Backlog({
      ...this.#options,
      lateError: () => this.#lateError(),
      bounce: (stanza, error) => this.#bounce(stanza, error),
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
      onRest: rest => this.#rest(rest),
      onResumed: count => this.#notices.resumed(count),
      onAwaited: () => this.#redial.peerIsUp(),
      onConfirmed: () => this.#wake(),
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
      resumes: () => this.#ways.resumes(),
      onStands: session => this.#ways.dialled(session),
      onFailed: failure => {
        this.#ways.notDialled()
        this.#redial.failed(failure)
      },
    })
    return new Redial({
      ...this.#options,
      dialler,
      isNeeded: () => this.#backlog.size > 0 || this.#ways.isParked,
      isClear: () => this.#ways.isEmpty,
      isAged: () => this.#ways.isAged,
      onGivenUp: failure => this.bounceWaiting(failure),
      onForgettable: () => onForgettable(this),
    })
  }
}

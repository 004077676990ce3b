import { Management, type Rest } from '../session/index.ts'
import type { Failure, Stanza } from '../xmpp/index.ts'
import type { OutboundSession, StreamHandler } from './connect.ts'
import type { DialledHandler } from './dialler.ts'
import { Handover } from './handover.ts'
import { Live } from './live.ts'
import { type Parked, Parking } from './parking.ts'
import type { Fate } from './resending.ts'
import type { SharedRouteOptions } from './route-options.ts'
import { Streams } from './streams.ts'
import { Watch } from './watch.ts'

export interface WaysOptions
  extends Pick<SharedRouteOptions, 'limits' | 'clock' | 'random' | 'account' | 'receive'> {
  /** a bidi stream of ours is not closed because it is unused: the peer may need it (BI-07) */
  readonly keepUp: boolean
  /** it is the one that is written to from now on */
  readonly onOpen: (live: Live) => void
  /** the one that is written to has room */
  readonly onRoom: (live: Live) => void
  /** the one that was written to has ended, and there is no other; `isOurDoing`: because nobody used it */
  readonly onGone: (live: Live, failure: Failure | null, isOurDoing: boolean) => void
  /** a stream has ended, and these were not confirmed */
  readonly onRest: (rest: Unsettled) => void
  /** a stream goes on on another one, and so many stanzas with it */
  readonly onResumed: (count: number) => void
  /** a stream of the peer's stands, and one of ours that was lost is to be resumed first */
  readonly onAwaited: () => void
  /** more is confirmed than before */
  readonly onConfirmed: () => void
  /** a further one is to be dialled, as that which is written to is old */
  readonly onAged: () => void
  /** the same, after a while: there was one, and nothing became of it */
  readonly onNotRenewed: () => void
  /** an old one has been left */
  readonly onRenewed: () => void
  /** one has ended, and what it leads to is done */
  readonly onEnded: () => void
}

/** What a stream leaves behind. */
export interface Unsettled {
  /** oldest first; fewer than `count` where memory bounded them */
  readonly stanzas: readonly Stanza[]
  readonly count: number
  readonly fate: Fate
  readonly failure: Failure | null
  /** wall clock: none was sent later */
  readonly sentMs: number
}

/**
 * The streams of one route. One is written to: the newest (DECISIONS 22). The others are read until they end; one that takes
 * stanzas is in reserve. From one to the next a route hands over, so that no stanza overtakes another. One that is lost may
 * go on on the next (Parking); nothing newer is written before that is known.
 */
export class Ways {
  /** the one to write to; null: there is none, or what comes waits until the next one takes over */
  out: Live | null = null
  readonly #options: WaysOptions
  readonly #streams = new Streams()
  readonly #parking: Parking
  #current: Live | null = null
  /** we are ending the current one, as nobody uses it */
  #closing = false
  #handover: Handover | null = null
  /** a dial asks that this one goes on there; nothing is written to it meanwhile */
  #moving: Live | null = null
  /** no further stream is written to */
  #ending = false

  constructor(options: WaysOptions) {
    this.#options = options
    this.#parking = new Parking(options.clock, parked => {
      this.#giveUp(parked)
      this.#goOn()
    })
  }

  /** 'closing': we are ending it, and what comes waits for its end */
  get state(): 'none' | 'open' | 'closing' {
    if (this.#current === null) return 'none'
    return this.#closing ? 'closing' : 'open'
  }

  get isEmpty(): boolean {
    return this.#streams.isEmpty
  }

  /** the one that is written to, or was before it hands over, is as old as a stream may become */
  get isAged(): boolean {
    return this.#current?.aged === true
  }

  /** one was lost, and a further one could tell what it had delivered */
  get isParked(): boolean {
    return !this.#parking.isEmpty
  }

  held(): number {
    return this.#streams.held()
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#streams.settle()
  }

  /** What is to go on on a stream of ours that is proven: one that was lost, or is to be left. */
  resumes(): Management | null {
    if (this.#ending) return null
    const lost = this.#parking.ours()
    if (lost !== null) return lost
    const live = this.#current
    if (live?.isOurs !== true || !live.aged || !live.isOpen || this.#closing) return null
    if (live.management === null || live.management.id === null) return null
    const instead = this.#leave()
    if (instead !== null && isSpare(instead)) instead.end(null)
    this.#moving = live
    return live.management
  }

  /** Nothing became of a dial. */
  notDialled(): void {
    this.#stay()
    // What a stream in reserve can take waits no longer for one that does not come.
    if (this.#current === null && !this.#parking.isEmpty && this.#streams.newest() !== null) this.forsake()
  }

  /** What was lost is not resumed: it has to go another way. */
  forsake(): void {
    for (const parked of this.#parking.takeAll(() => true)) this.#giveUp(parked)
    this.#goOn()
  }

  /** One that we have opened. */
  dialled(session: OutboundSession): DialledHandler {
    const { clock, account } = this.#options
    const live = new Live(session, clock.monotonicMs(), account, true)
    const watch = new Watch({
      ...this.#options,
      live,
      onQuiet: () => this.#quiet(live),
      onAged: () => this.#aged(live),
    })
    this.#stands(live)
    return {
      ...this.#handlerOf(live, watch),
      onStanza: (stanza, custody) => {
        live.used = true
        return this.#options.receive(stanza, custody)
      },
    }
  }

  /** One that the peer has opened, and ends. */
  adopted(session: OutboundSession): StreamHandler {
    const { clock, account } = this.#options
    const live = new Live(session, clock.monotonicMs(), account, false)
    this.#stands(live)
    return this.#handlerOf(live, null)
  }

  /**
   * End ours; write to none any more.
   * @returns how many there are; `onEnded` follows for each
   */
  end(failure: Failure): number {
    this.#ending = true
    this.#closing = true
    this.#leave()
    this.forsake()
    const ours = this.#streams.ours()
    if (ours.length === 0) this.#current = null
    for (const live of ours) live.end(failure)
    return ours.length
  }

  /** how many of ours have not ended */
  get ours(): number {
    return this.#streams.ours().length
  }

  abort(failure: Failure): void {
    for (const live of this.#streams.ours()) live.session.abort(failure)
  }

  #handlerOf(live: Live, watch: Watch | null): StreamHandler {
    return {
      onDrain: () => {
        live.blocked = false
        if (live === this.out) this.#options.onRoom(live)
      },
      onConfirmed: () => this.#options.onConfirmed(),
      onEnded: (failure, unconfirmed, count, rest) => {
        watch?.stop()
        // Those who are told what became of it may answer.
        if (live === this.out) this.out = null
        if (rest instanceof Management && this.#isWorthWaiting(live)) {
          if (live.held > 0) live.losses += 1
          this.#parking.add(live, rest, failure)
        } else {
          if (rest instanceof Management && count > 0) rest.isOver = true
          const fate = this.#fateOf(live, rest)
          const sentMs = this.#options.clock.wallMs()
          this.#close(live, { stanzas: unconfirmed, count, fate, failure, sentMs })
        }
        this.#ended(live, failure)
        this.#options.onEnded()
      },
    }
  }

  #stands(live: Live): void {
    const before = live.management === null ? null : this.#before(live.management)
    before?.goesOnOn(live)
    this.#streams.add(live)
    if (this.#ending) return
    if (before !== null) this.#resumed(before, live)
    else if (live.isOurs) this.#moving = null
    // Whoever opens a stream and does not go on there with what was lost never will.
    for (const parked of this.#parking.takeAll(({ isOurs }) => isOurs === live.isOurs)) this.#giveUp(parked)
    if (this.#current === null) {
      if (this.#parking.isEmpty) this.#begin(live)
      else this.#await(live)
    }
    // Beside one that we are ending it comes next.
    else if (!this.#closing && live !== this.#current) this.#succeeds(this.#current, live)
  }

  /** What was lost goes first: what the peer has to resume, if it does so soon; or what we have, by a dial. */
  #await(live: Live): void {
    if (!live.isOurs) this.#options.onAwaited()
    else this.#parking.hurry(this.#options.limits.handoverMs)
  }

  /** The stream, lost or not, that had this management. */
  #before(management: Management): Live | null {
    return this.#parking.take(management)?.live ?? this.#streams.managedBy(management)
  }

  #resumed(before: Live, live: Live): void {
    this.#options.onResumed(live.session.carried)
    if (before === this.#moving) this.#moving = null
    if (before.session.isClosing) {
      this.#streams.remove(before)
      return
    }
    const isCurrent = before === this.#current
    if (isCurrent) {
      this.#leave()
      if (before.aged) this.#options.onRenewed()
      this.#open(live)
    }
    // It carries nothing any more.
    if (before.isOurs) before.end(null)
  }

  /** Nothing is written to any stream: go on with the newest, unless one that is lost comes first. */
  #goOn(): void {
    if (this.#current !== null || this.#ending || !this.#parking.isEmpty) return
    const next = this.#streams.newest()
    if (next !== null) this.#begin(next)
  }

  /** One that goes on with what was written before is first. */
  #begin(live: Live): void {
    const busy = this.#streams.holding(live)
    this.#open(busy ?? live)
    if (busy !== null) this.#succeeds(busy, live)
  }

  /** The one that was to go on elsewhere goes on where it is. */
  #stay(): void {
    const live = this.#moving
    this.#moving = null
    if (live === null || live !== this.#current || this.#handover !== null || this.#closing) return
    this.out = live
    if (!live.blocked) this.#options.onRoom(live)
  }

  /** A stanza that kills whatever stream it goes by is not tried for ever (DECISIONS 6). */
  #isWorthWaiting(live: Live): boolean {
    live.settle()
    if (live.isOfUse) live.losses = 0
    if (this.#ending || live.losses >= MAX_LOSSES) return false
    // What the peer has sent on a stream of ours that goes both ways has to be told from what is new, too.
    return live.held > 0 || (live.isOurs && live.session.bidi)
  }

  #fateOf(live: Live, rest: Rest): Fate {
    if (rest === 'not-taken') return 'not-taken'
    // Without stream management nobody could tell a duplicate from what was said twice.
    return live.management === null ? 'in-doubt' : 'by-kind'
  }

  #giveUp({ live, management, failure, lostMs }: Parked): void {
    management.isOver = true
    live.settle()
    const stanzas = management.window.stanzas()
    this.#close(live, { stanzas, count: live.held, fate: 'by-kind', failure, sentMs: lostMs })
  }

  #close(live: Live, rest: Unsettled): void {
    live.close(rest.count)
    this.#streams.remove(live)
    if (rest.count > 0) this.#options.onRest(rest)
  }

  #open(live: Live): void {
    this.#current = live
    this.#closing = false
    this.out = live
    this.#options.onOpen(live)
    this.#options.onRoom(live)
    if (live.aged) this.#options.onAged()
  }

  /** The newest is the one that we write to, unless it was dialled for nothing. */
  #succeeds(from: Live, to: Live): void {
    if (isSpare(to) && !from.aged && from.isOpen) {
      to.end(null)
      return
    }
    const { limits, clock } = this.#options
    const instead = this.#leave()
    if (instead !== null && isSpare(instead)) instead.end(null)
    const onOver = (isDone: boolean) => (isDone ? this.#handedOver(from, to) : this.#handedBack(from, to))
    this.#handover = new Handover({ from, to, limits, clock, onOver })
    this.#handover.start()
  }

  #handedOver(from: Live, to: Live): void {
    this.#handover = null
    if (from.aged) this.#options.onRenewed()
    // The peer may write to one that is bidi as long as that is the newest that it knows of.
    if (isSpare(from) || (from.isOurs && from.aged)) from.end(null)
    this.#open(to)
  }

  /** The old one goes on. */
  #handedBack(from: Live, to: Live): void {
    this.#leave()
    if (to.isOurs) to.end(null)
    this.out = from
    if (!from.blocked) this.#options.onRoom(from)
    if (from.aged) this.#options.onNotRenewed()
  }

  /** Nothing is written for now. @returns the one that was to be written to next */
  #leave(): Live | null {
    const next = this.#handover?.to ?? null
    this.#handover?.cancel()
    this.#handover = null
    this.out = null
    return next
  }

  /** ST-22: generous, in order, and never while something is under way. */
  #quiet(live: Live): void {
    if (this.#options.keepUp && live.session.bidi) return
    if (live === this.#current) {
      if (this.#handover !== null || !live.isOpen) return
      this.#leave()
      this.#closing = true
    } else if (live === this.#handover?.to) return
    live.end(null)
  }

  /** SECURITY 6.2: a stream ends before a platform cuts it, and the next one stands before that. */
  #aged(live: Live): void {
    if (live === this.#current) this.#options.onAged()
    else if (live !== this.#handover?.to) live.end(null)
  }

  #ended(live: Live, failure: Failure | null): void {
    if (live === this.#moving) this.#moving = null
    const handover = this.#handover
    if (live === handover?.to) this.#handedBack(handover.from, live)
    if (live !== this.#current) return
    const isOurDoing = this.#closing
    this.#leave()
    this.#current = null
    this.#closing = false
    const next = this.#ending || !this.#parking.isEmpty ? null : this.#streams.newest()
    if (next === null) this.#options.onGone(live, failure, isOurDoing)
    else this.#open(next)
  }
}

/** Losses in a row without a single confirmation after which a stream is not resumed any more. */
const MAX_LOSSES = 10

/** Nobody but us writes to it. */
function isSpare(live: Live): boolean {
  return live.isOurs && !live.session.bidi
}

import type { Failure, Stanza } from '../xmpp/index.ts'
import type { OutboundSession, StreamHandler } from './connect.ts'
import type { DialledHandler } from './dialler.ts'
import { Handover } from './handover.ts'
import { Live } from './live.ts'
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
  /** no end of a stream says that these were read; there may be more in truth */
  readonly onInDoubt: (unconfirmed: readonly Stanza[], failure: Failure | null) => void
  /** a further one is to be dialled, as that which is written to is old */
  readonly onAged: () => void
  /** the same, after a while: there was one, and nothing became of it */
  readonly onNotRenewed: () => void
  /** an old one has been left */
  readonly onRenewed: () => void
  /** one has ended, and what it leads to is done */
  readonly onEnded: () => void
}

/**
 * The streams of one route. One is written to: the newest (DECISIONS 22). The others are read until they end; one that takes
 * stanzas is in reserve. From one to the next a route hands over, so that no stanza overtakes another.
 */
export class Ways {
  /** the one to write to; null: there is none, or what comes waits until the next one takes over */
  out: Live | null = null
  readonly #options: WaysOptions
  readonly #streams = new Streams()
  #current: Live | null = null
  /** we are ending the current one, as nobody uses it */
  #closing = false
  #handover: Handover | null = null
  /** no further stream is written to */
  #ending = false

  constructor(options: WaysOptions) {
    this.#options = options
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

  held(): number {
    return this.#streams.held()
  }

  /** Count what has been confirmed meanwhile. */
  settle(): void {
    this.#streams.settle()
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
      onStanza: stanza => {
        live.used = true
        return this.#options.receive(stanza)
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
      onEnded: (failure, unconfirmed, count) => {
        watch?.stop()
        live.close(count)
        this.#ended(live, failure)
        if (unconfirmed.length > 0) this.#options.onInDoubt(unconfirmed, failure)
        this.#options.onEnded()
      },
    }
  }

  #stands(live: Live): void {
    this.#streams.add(live)
    if (this.#ending) return
    if (this.#current === null) this.#open(live)
    // Beside one that we are ending it comes next.
    else if (!this.#closing) this.#succeeds(this.#current, live)
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
    this.#streams.remove(live)
    const handover = this.#handover
    if (live === handover?.to) this.#handedBack(handover.from, live)
    if (live !== this.#current) return
    const isOurDoing = this.#closing
    this.#leave()
    this.#current = null
    this.#closing = false
    const next = this.#ending ? null : this.#streams.newest()
    if (next === null) this.#options.onGone(live, failure, isOurDoing)
    else this.#open(next)
  }
}

/** Nobody but us writes to it. */
function isSpare(live: Live): boolean {
  return live.isOurs && !live.session.bidi
}

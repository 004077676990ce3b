import { Management, type Rest } from '../session/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Adopted, OutboundSession, StreamHandler } from './connect.ts'

/**
 * A peer's stream that takes stanzas, shared by the routes of all pairs that were proven on it. The session confirms what
 * was written in its order, whoever wrote it; here is remembered whose it was.
 */
export class AdoptedStream implements Adopted {
  readonly #session: OutboundSession
  /** gives it to the pair's route */
  readonly #adopt: (pair: DomainPair, session: OutboundSession) => StreamHandler
  readonly #shares: Share[] = []
  /** what is written and not confirmed, oldest first */
  readonly #runs: Run[] = []
  #written = 0
  #confirmed = 0
  #ended = false

  constructor(
    session: OutboundSession,
    adopt: (pair: DomainPair, session: OutboundSession) => StreamHandler,
  ) {
    this.#session = session
    this.#adopt = adopt
  }

  take(pair: DomainPair): void {
    if (this.#shares.some(share => share.is(pair))) return
    const share = new Share(pair, this.#session, {
      wrote: () => this.#wrote(share),
      settle: () => this.#confirm(this.#session.confirmedCount()),
    })
    if (this.#shares.length === 0) this.#carry(share)
    this.#shares.push(share)
    // The session takes nothing before whoever tells us has returned.
    queueMicrotask(() => {
      if (!this.#ended && !this.#session.isClosing) share.handler = this.#adopt(pair, share)
    })
  }

  onDrain(): void {
    for (const share of this.#shares) share.handler?.onDrain()
  }

  onConfirmed(): void {
    for (const share of this.#shares) share.handler?.onConfirmed()
  }

  onEnded(
    failure: Failure | null,
    unconfirmed: readonly Stanza[],
    unconfirmedCount: number,
    rest: Rest,
  ): void {
    this.#ended = true
    this.#confirm(this.#written - unconfirmedCount)
    const its = this.#restOfEach(rest)
    for (const share of this.#shares) {
      const stanzas = unconfirmed.filter(({ from, to }) =>
        share.is({ local: from.domain, remote: to.domain }),
      )
      share.handler?.onEnded(failure, stanzas, share.written - share.confirmed, its)
    }
  }

  /** What goes on on another stream is of one pair, or nobody's: only whoever opened that knows for which pairs it is. */
  #restOfEach(rest: Rest): Rest {
    if (!(rest instanceof Management) || this.#shares.length === 1) return rest
    rest.isOver = true
    return 'unknown'
  }

  /** What goes on here was written by the first of its pairs. */
  #carry(share: Share): void {
    const { carried } = this.#session
    if (carried === 0) return
    share.carried = carried
    share.written = carried
    this.#written = carried
    this.#runs.push({ share, count: carried })
  }

  #wrote(share: Share): void {
    this.#written += 1
    const last = this.#runs.at(-1)
    if (last?.share === share) {
      last.count += 1
      return
    }
    if (this.#runs.length >= RUNS) this.#confirm(this.#session.confirmedCount())
    this.#runs.push({ share, count: 1 })
  }

  /** The first `confirmed` of all are. */
  #confirm(confirmed: number): void {
    let fresh = confirmed - this.#confirmed
    this.#confirmed = confirmed
    let over = 0
    for (const run of this.#runs) {
      const count = Math.min(run.count, fresh)
      run.share.confirmed += count
      run.count -= count
      fresh -= count
      if (run.count > 0) break
      over += 1
    }
    this.#runs.splice(0, over)
  }
}

/** Stanzas of one pair, written one after the other. */
interface Run {
  readonly share: Share
  count: number
}

/** The stream, as one route sees it. */
class Share implements OutboundSession {
  /** of its own route; null before that has it */
  handler: StreamHandler | null = null
  written = 0
  confirmed = 0
  carried = 0
  readonly #pair: DomainPair
  readonly #session: OutboundSession
  readonly #ledger: { wrote(): void; settle(): void }

  constructor(pair: DomainPair, session: OutboundSession, ledger: { wrote(): void; settle(): void }) {
    this.#pair = pair
    this.#session = session
    this.#ledger = ledger
  }

  is({ local, remote }: DomainPair): boolean {
    return this.#pair.local === local && this.#pair.remote === remote
  }

  get bidi(): boolean {
    return this.#session.bidi
  }

  get management(): OutboundSession['management'] {
    return this.#session.management
  }

  get isFull(): boolean {
    return this.#session.isFull
  }

  get isClosing(): boolean {
    return this.#session.isClosing
  }

  get peerLimits(): OutboundSession['peerLimits'] {
    return this.#session.peerLimits
  }

  send(stanza: Stanza): boolean {
    this.written += 1
    this.#ledger.wrote()
    return this.#session.send(stanza)
  }

  confirmedCount(): number {
    this.#ledger.settle()
    return this.confirmed
  }

  /** Whoever has opened the stream ends it. */
  end(): void {}

  abort(): void {}
}

/** Whose turns are remembered before we ask what has been confirmed: pairs that take turns cost no more memory. */
const RUNS = 64

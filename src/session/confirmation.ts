import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Stanza } from '../xmpp/index.ts'
import { Unconfirmed, type UnconfirmedLimits } from './unconfirmed.ts'

export type ConfirmationLimits = UnconfirmedLimits & Pick<Limits, 'confirmMs'>

export interface ConfirmationOptions {
  readonly transport: Transport
  readonly limits: ConfirmationLimits
  readonly clock: Clock
  /** absent: the wire's own pings ask */
  readonly barrier?: {
    readonly write: (id: number) => void
    /** nobody answers; said once */
    readonly onSilent: () => void
  }
}

/** A ping that waits for its answer. */
interface Asked {
  readonly id: number
  /** how many had been sent when it went out */
  readonly sent: number
}

/**
 * Whether the peer has read what we sent. A ping goes out some time after the first stanza that nothing has confirmed;
 * its answer confirms all that was sent before it. No further one goes out before its answer, so that a busy stream costs
 * as little as a quiet one; only at a beat, twenty seconds or more later, is it asked once more.
 */
export class Confirmation {
  /** the peer has answered a ping of ours */
  #answers = false
  readonly #transport: Transport
  readonly #barrier: NonNullable<ConfirmationOptions['barrier']> | null
  /** beats in a row at which a barrier waited for its answer */
  #missed = 0
  /** nobody answers barriers here: what the kernel has taken counts as read */
  #writtenIsRead = false
  readonly #limits: ConfirmationLimits
  readonly #clock: Clock
  readonly #unconfirmed: Unconfirmed
  /** set when a ping is due */
  #timer: Timer | null = null
  #lastId = 0
  /** oldest first; of the wire's own pings only the last, whose answer may be the only one (RFC 6455 §5.5.3) */
  #asked: readonly Asked[] = NOBODY
  /** the wire has pings */
  #canAsk = true
  /** how many went to the wire before our close; null while it is open */
  #written: number | null = null
  #deaf = false

  constructor(options: ConfirmationOptions) {
    this.#transport = options.transport
    this.#barrier = options.barrier ?? null
    this.#limits = options.limits
    this.#clock = options.clock
    this.#unconfirmed = new Unconfirmed(options.limits)
  }

  get confirmed(): number {
    return this.#unconfirmed.confirmed
  }

  get unconfirmed(): number {
    return this.#unconfirmed.sent - this.#unconfirmed.confirmed
  }

  /** oldest first; fewer than `unconfirmed` where memory bounded them */
  stanzas(): readonly Stanza[] {
    return this.#unconfirmed.stanzas()
  }

  add(stanza: Stanza): void {
    this.#unconfirmed.add(stanza)
    if (this.#timer === null && this.#asked.length === 0) this.#askLater()
  }

  /**
   * At each beat.
   * @returns false where silence on this wire means nothing: it has no pings, or their answers come elsewhere
   */
  ping(): boolean {
    if (this.#barrier === null) return this.#ask()
    // What nobody has sent for is quiet.
    if (this.#asked.length > 0 && this.#written === null) this.#miss(this.#barrier)
    return false
  }

  answered(id: number): void {
    const at = this.#asked.findIndex(asked => asked.id === id)
    this.#answers = true
    this.#missed = 0
    const asked = this.#asked[at]
    if (this.#deaf || asked === undefined) return
    this.#unconfirmed.confirm(asked.sent)
    this.#asked = this.#asked.slice(at + 1)
    if (this.unconfirmed > 0 && this.#asked.length === 0) this.#askLater()
  }

  /** Our close is the next thing that we write: ask a last time, where the answer can come before the peer's close. */
  close(): void {
    this.#cancel()
    this.#written = this.#unconfirmed.sent
    if (this.unconfirmed > 0 && this.#canAsk && this.#barrier === null) this.#ask()
  }

  /** The peer has given this stream up: that its transport reads on says nothing of stanzas. */
  distrust(): void {
    this.#cancel()
    this.#written = this.#unconfirmed.sent
    this.#deaf = true
  }

  /**
   * The end, with the peer's `<close/>`: in answer to ours, or before it.
   * @param inOrder the transport has ended as it should
   */
  peerClosed(closedBy: 'us' | 'peer', inOrder: boolean): void {
    if (this.#deaf || this.#written === null) return
    const hasRead = closedBy === 'us' ? this.#answerIsRead() : inOrder && !this.#asksExactly()
    if (hasRead) this.#unconfirmed.confirm(this.#written)
  }

  stop(): void {
    this.#cancel()
    this.#canAsk = false
  }

  /** A close in answer to ours: one wire brings pongs ahead of it, which say so more exactly; the other no barrier's. */
  #answerIsRead(): boolean {
    return this.#barrier !== null || !this.#answers
  }

  /** The peer says exactly what it has read, so that what it has not said it may not have. */
  #asksExactly(): boolean {
    return this.#barrier === null ? this.#answers : !this.#writtenIsRead
  }

  #ask(): boolean {
    this.#lastId = (this.#lastId + 1) % IDS
    // What was taken after our close never went to the wire.
    const asked = { id: this.#lastId, sent: this.#written ?? this.#unconfirmed.sent }
    if (this.#barrier === null) {
      this.#asked = [asked]
      this.#canAsk = this.#transport.ping(asked.id)
    } else {
      this.#asked = [...this.#asked, asked]
      this.#barrier.write(asked.id)
    }
    return this.#canAsk
  }

  #askLater(): void {
    if (!this.#canAsk || this.#written !== null) return
    this.#timer = this.#clock.setTimer(this.#limits.confirmMs, () => {
      this.#timer = null
      if (this.#writtenIsRead) this.#confirmTaken()
      else this.#ask()
    })
  }

  /** A lost answer is no silence: the first time, ask again. */
  #miss(barrier: NonNullable<ConfirmationOptions['barrier']>): void {
    this.#missed += 1
    if (this.#missed < BARRIERS_MISSED) {
      this.#ask()
      return
    }
    this.#writtenIsRead = true
    this.#asked = NOBODY
    barrier.onSilent()
    this.#confirmTaken()
  }

  #confirmTaken(): void {
    if (this.#transport.bufferedBytes() === 0) this.#unconfirmed.confirm(this.#unconfirmed.sent)
    if (this.unconfirmed > 0) this.#askLater()
  }

  #cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}

const NOBODY: readonly Asked[] = []
const IDS = 2 ** 32
const BARRIERS_MISSED = 2

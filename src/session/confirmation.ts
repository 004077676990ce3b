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

/**
 * Whether the peer has read what we sent. A ping goes out some time after the first stanza that nothing has confirmed;
 * its answer confirms all that was sent before it. At most one ping waits for its answer, so that a busy stream costs as
 * little as a quiet one.
 */
export class Confirmation {
  /** the peer has answered a ping of ours */
  answers = false
  readonly #transport: Transport
  readonly #barrier: NonNullable<ConfirmationOptions['barrier']> | null
  /** barriers in a row without an answer */
  #missed = 0
  /** nobody answers barriers here: what the kernel has taken counts as read */
  #writtenIsRead = false
  readonly #limits: ConfirmationLimits
  readonly #clock: Clock
  readonly #unconfirmed: Unconfirmed
  /** set when a ping is due */
  #timer: Timer | null = null
  #lastId = 0
  /** how many had been sent when the ping went out whose answer we wait for; null: none */
  #asked: number | null = null
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
    if (this.#timer === null && this.#asked === null) this.#askLater()
  }

  /** @returns false where the wire has no pings */
  ping(): boolean {
    if (this.#writtenIsRead) return false
    if (this.#barrier !== null && this.#asked !== null) this.#miss(this.#barrier)
    if (this.#writtenIsRead) return false
    // RFC 6455 §5.5.3: the answer to the last of several may be the only one.
    this.#lastId = (this.#lastId + 1) % IDS
    // What was taken after our close never went to the wire.
    this.#asked = this.#written ?? this.#unconfirmed.sent
    if (this.#barrier !== null) this.#barrier.write(this.#lastId)
    else this.#canAsk = this.#transport.ping(this.#lastId)
    return this.#canAsk
  }

  answered(id: number): void {
    this.answers = true
    this.#missed = 0
    if (this.#deaf || id !== this.#lastId || this.#asked === null) return
    this.#unconfirmed.confirm(this.#asked)
    this.#asked = null
    if (this.unconfirmed > 0 && this.#written === null) this.#askLater()
  }

  /** Our close is the next thing that we write: ask a last time. */
  close(): void {
    this.#cancel()
    this.#written = this.#unconfirmed.sent
    if (this.unconfirmed > 0 && this.#canAsk) this.ping()
  }

  /** The peer has given this stream up: that its transport reads on says nothing of stanzas. */
  distrust(): void {
    this.#cancel()
    this.#written = this.#unconfirmed.sent
    this.#deaf = true
  }

  /** All that went to the wire before our close is confirmed. */
  confirmWritten(): void {
    if (!this.#deaf && this.#written !== null) this.#unconfirmed.confirm(this.#written)
  }

  stop(): void {
    this.#cancel()
    this.#canAsk = false
  }

  #askLater(): void {
    if (!this.#canAsk || this.#written !== null) return
    this.#timer = this.#clock.setTimer(this.#limits.confirmMs, () => {
      this.#timer = null
      if (this.#writtenIsRead) this.#confirmTaken()
      else this.ping()
    })
  }

  #miss(barrier: NonNullable<ConfirmationOptions['barrier']>): void {
    this.#missed += 1
    if (this.#missed < BARRIERS_MISSED) return
    this.#writtenIsRead = true
    this.#asked = null
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

const IDS = 2 ** 32
const BARRIERS_MISSED = 2

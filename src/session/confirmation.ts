import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Failure, Stanza } from '../xmpp/index.ts'
import type { Management } from './management.ts'
import type { Rest } from './session.ts'
import { Unconfirmed, type UnconfirmedLimits } from './unconfirmed.ts'

export type ConfirmationLimits = UnconfirmedLimits & Pick<Limits, 'confirmMs' | 'requestStanzas'>

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
  /** ask by stream management, where it is on (SM-05) */
  readonly request: () => void
  /** more is confirmed than before */
  readonly onConfirmed: () => void
}

/** A ping that waits for its answer. */
interface Asked {
  readonly id: number
  /** how many had been sent when it went out */
  readonly sent: number
}

/**
 * Whether the peer has what we sent: it acknowledges it where stream management is on, else it has read it. The question
 * goes out some time after the first stanza that nothing has confirmed; the answer confirms all that was sent before it.
 * No further one goes out before its answer, so that a busy stream costs as little as a quiet one, unless many stanzas have
 * gone by; and at a beat, twenty seconds or more later, it is asked once more.
 *
 * Asked is by stream management; else by a ping of the wire; or, on wires without, by a ping in a stanza, a barrier.
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
  #unconfirmed: Unconfirmed
  /** of what is confirmed, so much was so on other streams */
  #before = 0
  /** null: stream management is not on */
  #management: Management | null = null
  /** stream management is asked for, and there is no answer yet */
  #isAwaiting = false
  /** questions by stream management that wait for their answer */
  #awaited = 0
  /** when the peer last acknowledged anything without having been asked */
  #wordMs = Number.NEGATIVE_INFINITY
  /** how many had been sent when we asked last, by whatever means that allows of several questions */
  #askedAt = 0
  readonly #request: () => void
  readonly #onConfirmed: () => void
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
    this.#request = () => {
      this.#awaited += 1
      options.request()
    }
    this.#onConfirmed = options.onConfirmed
  }

  /** on this stream */
  get confirmed(): number {
    return this.#unconfirmed.confirmed - this.#before
  }

  get unconfirmed(): number {
    return this.#unconfirmed.sent - this.#unconfirmed.confirmed
  }

  get window(): Unconfirmed {
    return this.#unconfirmed
  }

  /** Stream management is asked for: from now on, what is sent counts there. */
  manageable(): void {
    this.#isAwaiting = true
    this.#unconfirmed.keepsAll = true
  }

  /** It is on. */
  manage(management: Management): void {
    this.#unconfirmed = management.window
    this.#management = management
    this.#isAwaiting = false
    this.#asked = NOBODY
    this.#askedAt = this.#unconfirmed.sent
  }

  /** A stream that was lost goes on here: what it had not confirmed is ours. */
  resume(management: Management): void {
    this.#before = management.window.confirmed
    this.manage(management)
    // The count that the resumption is answered with.
    this.#awaited = 1
  }

  /** All of it is confirmed elsewhere from now on. */
  moved(): void {
    this.stop()
    const { confirmed } = this
    this.#before = 0
    this.#unconfirmed = new Unconfirmed({ unconfirmedStanzas: 0, unconfirmedBytes: 0 })
    this.#unconfirmed.sent = confirmed
    this.#unconfirmed.confirmed = confirmed
  }

  /** There is no stream management, after all. */
  unmanageable(): void {
    this.#isAwaiting = false
    this.#unconfirmed.keepsAll = false
  }

  /** oldest first; fewer than `unconfirmed` where memory bounded them */
  stanzas(): readonly Stanza[] {
    return this.#unconfirmed.stanzas()
  }

  add(stanza: Stanza): void {
    this.#unconfirmed.add(stanza)
    if (this.#timer === null && this.#asked.length === 0) this.#askLater()
    if (this.#unconfirmed.sent - this.#askedAt >= this.#limits.requestStanzas) this.#askEarly()
  }

  /**
   * The peer acknowledges.
   * @returns what is wrong with that (SM-09); null: nothing
   */
  acked(h: number): Failure | null {
    const management = this.#management
    if (management === null) return null
    const before = this.#unconfirmed.confirmed
    const fault = management.acked(h)
    if (fault !== null) return fault
    this.#answers = true
    if (this.#awaited > 0) this.#awaited -= 1
    else this.#wordMs = this.#clock.monotonicMs()
    if (this.unconfirmed > 0 && this.#timer === null) this.#askLater()
    if (this.#unconfirmed.confirmed > before) this.#onConfirmed()
    return null
  }

  /** The peer asks: what it has acknowledged before was no last word. */
  asked(): void {
    this.#wordMs = Number.NEGATIVE_INFINITY
  }

  /**
   * What is known of what is unconfirmed, at an end that the peer has announced: whoever acknowledges right before it,
   * unasked, has none of the rest (SM-05). Who only answers questions (Prosody) may have read more since.
   */
  get rest(): Rest {
    return this.#clock.monotonicMs() - this.#wordMs <= LAST_WORD_MS ? 'not-taken' : 'unknown'
  }

  /**
   * At each beat.
   * @returns false where silence on this wire means nothing: it has no pings, or their answers come elsewhere
   */
  ping(): boolean {
    if (this.#management !== null && this.unconfirmed > 0 && this.#written === null) this.#request()
    if (this.#barrier === null) return this.#ping()
    if (this.#management !== null) return false
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
    this.#asked = this.#asked.slice(at + 1)
    if (this.#management !== null) return
    const isNews = asked.sent > this.#unconfirmed.confirmed
    this.#unconfirmed.confirm(asked.sent)
    if (this.unconfirmed > 0 && this.#asked.length === 0 && this.#timer === null) this.#askLater()
    if (isNews) this.#onConfirmed()
  }

  /** Our close is the next thing that we write: ask a last time, where the answer can come before the peer's close. */
  close(): void {
    this.#cancel()
    this.#written = this.#unconfirmed.sent
    if (this.unconfirmed > 0 && this.#canAsk && (this.#barrier === null || this.#management !== null))
      this.#ask()
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
    if (this.#deaf || this.#written === null || this.#management !== null) return
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

  /** By the way that there is. */
  #ask(): void {
    this.#askedAt = this.#unconfirmed.sent
    if (this.#management !== null) this.#request()
    else if (this.#barrier === null) this.#ping()
    else this.#askByBarrier(this.#barrier)
  }

  /** Many have gone by since we asked. Of the wire's own pings only the last need be answered (RFC 6455 §5.5.3). */
  #askEarly(): void {
    this.#askedAt = this.#unconfirmed.sent
    if (this.#written !== null || this.#writtenIsRead || this.#isAwaiting) return
    if (this.#management !== null || this.#barrier !== null) this.#ask()
  }

  #ping(): boolean {
    const asked = this.#nextAsked()
    this.#asked = this.#management === null ? [asked] : NOBODY
    this.#canAsk = this.#transport.ping(asked.id)
    return this.#canAsk
  }

  #askByBarrier(barrier: NonNullable<ConfirmationOptions['barrier']>): void {
    const asked = this.#nextAsked()
    this.#asked = [...this.#asked, asked]
    barrier.write(asked.id)
  }

  #nextAsked(): Asked {
    this.#lastId = (this.#lastId + 1) % IDS
    // What was taken after our close never went to the wire.
    return { id: this.#lastId, sent: this.#written ?? this.#unconfirmed.sent }
  }

  #askLater(): void {
    if ((!this.#canAsk && this.#management === null) || this.#written !== null) return
    this.#timer = this.#clock.setTimer(this.#limits.confirmMs, () => {
      this.#timer = null
      if (this.#writtenIsRead) this.#confirmTaken()
      else if (this.#isAwaiting) this.#askLater()
      else if (this.unconfirmed > 0) this.#ask()
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
    if (this.#transport.bufferedBytes() === 0) {
      this.#unconfirmed.confirm(this.#unconfirmed.sent)
      this.#onConfirmed()
    }
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
/** from the last acknowledgement to the close behind it */
const LAST_WORD_MS = 1_000

import { HANDLED_MODULUS, handledTooHigh } from '../stream/index.ts'
import type { Failure } from '../xmpp/index.ts'
import type { Custody } from './custody.ts'
import type { Unconfirmed } from './unconfirmed.ts'

/** The stream that a management is on at present. */
export interface Managed {
  /** nothing more is read for now; nothing more may be sent */
  suspend(): void
  /** read on */
  proceed(): void
  /** another stream has it now */
  moved(): void
}

export interface ManagementOptions {
  /** by which a further stream of the same pair may resume it (SM-08); null: none may */
  readonly id: string | null
  /** how long after the loss of its stream that may be */
  readonly maxMs: number
  /** what we have sent */
  readonly window: Unconfirmed
  /** how many of those had been sent before it began */
  readonly base: number
  /** what the peer has sent */
  readonly custody: Custody
  readonly stream: Managed
}

/** Stream management of one session of XEP-0198: the counters and the window, which outlive a stream that is lost. */
export class Management {
  readonly id: string | null
  readonly maxMs: number
  readonly window: Unconfirmed
  readonly custody: Custody
  /** what was sent on it goes another way: nothing resumes it any more */
  isOver = false
  readonly #base: number
  #stream: Managed | null
  /** of ours, handled by the peer; not modulo 2^32 */
  #acked = 0

  constructor({ id, maxMs, window, base, custody, stream }: ManagementOptions) {
    this.id = id
    this.maxMs = maxMs
    this.window = window
    this.custody = custody
    this.#base = base
    this.#stream = stream
  }

  /** The peer has handled so many. @returns what is wrong with that (SM-09); null: nothing */
  acked(h: number): Failure | null {
    const fresh = (h - (this.#acked % HANDLED_MODULUS) + HANDLED_MODULUS) % HANDLED_MODULUS
    const sent = this.window.sent - this.#base
    if (fresh > sent - this.#acked) return handledTooHigh(h, sent % HANDLED_MODULUS)
    this.#acked += fresh
    this.window.confirm(this.#base + this.#acked)
    return null
  }

  /** Nothing more is read on its stream, so that nothing comes that is not counted. */
  suspend(): void {
    this.#stream?.suspend()
  }

  /** It stays where it was. */
  proceed(): void {
    this.#stream?.proceed()
  }

  /** @param stream null: its stream is lost */
  moveTo(stream: Managed | null): void {
    const before = this.#stream
    this.#stream = stream
    if (stream !== null) before?.moved()
  }
}

import type { Clock, Limits } from '../base/index.ts'
import type { Codec, Decoded } from '../framing/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Failure } from '../xmpp/index.ts'
import { Intake } from './intake.ts'
import { Pace } from './pace.ts'

export interface ReadingOptions {
  readonly transport: Transport
  readonly codec: Codec
  readonly limits: Pick<Limits, 'inboundBytesPerSecond' | 'inboundBurstBytes' | 'messageMs'>
  readonly clock: Clock
  /** give it to the machine */
  readonly onFrame: (frame: Decoded) => void
  /** the stream is cut: what is left is nobody's */
  readonly isCut: () => boolean
  /** nothing is left and there is an allowance: read on, or end */
  readonly onCaughtUp: () => void
}

/** From bytes to frames, one after the other, and none while somebody works on the stanza before. */
export class Reading {
  readonly #options: ReadingOptions
  readonly #intake: Intake
  readonly #pace: Pace
  /** decoded, and waiting */
  #left: readonly Decoded[] = NONE

  constructor(options: ReadingOptions) {
    const { transport, limits, clock } = options
    this.#options = options
    this.#intake = new Intake({ transport, limits, clock, onResume: () => this.#goOn() })
    this.#pace = new Pace(limits, clock)
  }

  get isEmpty(): boolean {
    return this.#left.length === 0
  }

  /** we do not read at the moment */
  get paused(): boolean {
    return this.#intake.paused
  }

  message(bytes: Uint8Array): void {
    this.#intake.took(bytes.length)
    const decoded = this.#options.codec.decode(bytes)
    this.#pace.took(bytes, decoded.length)
    this.#take(decoded)
  }

  /** @param busy while somebody works on a stanza; never rejects */
  hold(busy: Promise<void>): void {
    this.#intake.hold()
    void busy.then(this.#release)
  }

  /** Nothing more is given to the machine before `thaw`. */
  freeze(): void {
    this.#intake.freeze()
  }

  thaw(): void {
    this.#intake.thaw()
  }

  resume(): void {
    this.#pace.resume()
    this.#options.transport.resume()
  }

  /** At each beat: whether the peer dribbles. Its waiting for us is none of it. */
  fault(): Failure | null {
    if (this.#intake.paused) this.#pace.resume()
    return this.#pace.fault()
  }

  /** What is left is nobody's. */
  clear(): void {
    this.#left = NONE
  }

  /** What is left, and what is being worked on, is another stream's. What comes now is read. */
  leave(): void {
    this.clear()
    this.#intake.release()
    this.#intake.thaw()
  }

  stop(): void {
    this.#intake.stop()
  }

  #take(decoded: readonly Decoded[]): void {
    const { onFrame, isCut } = this.#options
    // By index: on the path of every stanza an iterator costs more than what it brings.
    for (let i = 0; i < decoded.length; i++) {
      if (isCut()) return
      if (this.#intake.busy) {
        this.#left = decoded.slice(i)
        return
      }
      onFrame(decoded[i] as Decoded)
    }
  }

  /** Nobody works on a stanza any longer, and there is an allowance: first what is here already. */
  #goOn(): void {
    const left = this.#left
    this.#left = NONE
    this.#take(left)
    if (!this.#intake.busy) this.#options.onCaughtUp()
  }

  readonly #release = (): void => {
    this.#intake.release()
  }
}

const NONE: readonly Decoded[] = []

import type { Codec, OutgoingFrame } from '../framing/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Stanza } from '../xmpp/index.ts'
import type { Confirmation } from './confirmation.ts'
import type { Outflow } from './outflow.ts'
import { Resend } from './resend.ts'

export interface OutgoingOptions {
  readonly transport: Transport
  readonly codec: Codec
  readonly outflow: Outflow
  readonly confirmation: Confirmation
}

/** All that is written, and whether whoever sends should wait: for the transport, for the window, or for what is sent again. */
export class Outgoing {
  /** send has returned false, and nobody has been told to go on */
  isFull = false
  readonly #options: OutgoingOptions
  readonly #resend = new Resend({ write: stanza => this.#stanza(stanza) })

  constructor(options: OutgoingOptions) {
    this.#options = options
  }

  /** @returns false: above the high-water mark. What a peer makes us write it has to read as well. */
  write(frame: OutgoingFrame): boolean {
    const { transport, codec, outflow } = this.#options
    if (transport.send(codec.encode(frame))) return true
    outflow.full()
    return false
  }

  /** @returns false: wait until `goesOn` says so */
  send(stanza: Stanza): boolean {
    const hasRoom = this.#resend.isOver ? this.#stanza(stanza) : this.#resend.behind(stanza)
    if (hasRoom && !this.#options.confirmation.window.isFull) return true
    this.isFull = true
    return false
  }

  /** What a lost stream had written, oldest first, ahead of all that is sent here. */
  again(stanzas: readonly Stanza[]): void {
    const isOver = this.#resend.start(stanzas)
    if (!isOver || this.#options.confirmation.window.isFull) this.isFull = true
  }

  /** The transport has room again. @returns whether whoever waits may go on */
  drained(): boolean {
    this.#options.outflow.drained()
    return (this.#resend.isOver || this.#resend.goOn()) && this.#goesOn()
  }

  /** The peer has confirmed more. @returns whether whoever waits may go on */
  confirmed(): boolean {
    return this.isFull && this.#options.outflow.isFree && this.#resend.isOver && this.#goesOn()
  }

  stop(): void {
    this.#resend.stop()
  }

  #goesOn(): boolean {
    if (!this.#options.confirmation.window.hasRoom) return false
    this.isFull = false
    return true
  }

  #stanza({ bytes }: Stanza): boolean {
    return this.write({ type: 'stanza', bytes })
  }
}

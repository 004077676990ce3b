import type { StreamInput } from '../stream/index.ts'
import type { Failure } from '../xmpp/index.ts'
import type { Confirmation } from './confirmation.ts'

/** Who closed, and what that says of the stanzas that were written before. */
export class Closes {
  readonly #confirmation: Confirmation
  /** which input made us close; null while the stream is open */
  #by: StreamInput['type'] | null = null
  /** the peer's `<close/>` has come */
  #peers = false

  constructor(confirmation: Confirmation) {
    this.#confirmation = confirmation
  }

  /** no stanza is written any more */
  get isOurs(): boolean {
    return this.#by !== null
  }

  /** the transport went before either side had closed: nobody has ended anything (SM-10) */
  get isLoss(): boolean {
    return this.#by === 'transport-closed' && !this.#peers
  }

  /** the peer's `<close/>` has come, whoever was first */
  get isPeers(): boolean {
    return this.#peers
  }

  peers(): void {
    this.#peers = true
  }

  /** Our close is the next thing that is written. */
  ours(by: StreamInput['type'] | null): void {
    if (this.#by !== null) return
    this.#by = by
    // An element closes a stream where it is an error, or forbidden.
    if (by === 'element') this.#confirmation.distrust()
    else this.#confirmation.close()
  }

  /**
   * The end. The closes themselves say that the peer has read everything where it has answered ours, or was first.
   * @param inOrder the transport has ended as it should
   */
  settle(outcome: Failure | null, inOrder: boolean): void {
    if (!this.#peers || outcome?.kind === 'reported') return
    if (this.#by === 'end') this.#confirmation.peerClosed('us', inOrder)
    else if (this.#by === 'close') this.#confirmation.peerClosed('peer', inOrder)
  }
}

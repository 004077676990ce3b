import type { Decoded } from '../framing/index.ts'

export interface InboxOptions {
  /** give it to the machine */
  readonly feed: (frame: Decoded) => void
  /** somebody works on a stanza: the next frame waits */
  readonly isBusy: () => boolean
  /** the stream is cut: what is left is nobody's */
  readonly isCut: () => boolean
}

/** What has come and is decoded: one frame after the other, and none while somebody works on the one before. */
export class Inbox {
  readonly #options: InboxOptions
  #left: readonly Decoded[] = NONE

  constructor(options: InboxOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#left.length === 0
  }

  take(decoded: readonly Decoded[]): void {
    const { feed, isBusy, isCut } = this.#options
    for (const [index, frame] of decoded.entries()) {
      if (isCut()) return
      if (isBusy()) {
        this.#left = decoded.slice(index)
        return
      }
      feed(frame)
    }
  }

  /** Nobody works on a stanza any longer: what is here already. */
  goOn(): void {
    const left = this.#left
    this.#left = NONE
    this.take(left)
  }

  clear(): void {
    this.#left = NONE
  }
}

const NONE: readonly Decoded[] = []

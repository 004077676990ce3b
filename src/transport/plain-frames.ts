import { isUtf8 } from 'node:buffer'
import { Unmasked } from './unmask.ts'

/**
 * Reads the frames that nearly all traffic consists of: a whole text message in one frame (RFC 6455 §5.2), wholly in the bytes
 * at hand. It makes one buffer of each, where `ws` makes eight. Everything else is left as it came to `ws`, which judges it:
 * messages in pieces, control frames, whatever is wrong.
 */
export class PlainFrames {
  /** where the frames read so far end */
  position = 0
  readonly #unmasked: Unmasked | null
  #chunk: Buffer = NONE

  /** @param masked what a server reads must be, what a client reads must not (§5.1) */
  constructor(masked: boolean) {
    this.#unmasked = masked ? new Unmasked() : null
  }

  /** A message begins at `position` of the chunk. */
  begin(chunk: Buffer, position: number): void {
    this.#chunk = chunk
    this.position = position
    this.#unmasked?.begin(chunk)
  }

  /** Lets go of the chunk. */
  end(): void {
    this.#chunk = NONE
    this.#unmasked?.end()
  }

  /** The next message; null where what comes is no plain frame, or larger. */
  next(maxBytes: number): Buffer | null {
    const chunk = this.#chunk
    const at = this.position
    if (at + 2 > chunk.length || chunk[at] !== FINAL_TEXT) return null
    const second = chunk[at + 1] as number
    if (second >= MASKED === (this.#unmasked === null)) return null
    let length = second & ~MASKED
    let start = at + 2
    if (length === LENGTH_64) return null
    if (length === LENGTH_16) {
      if (at + 4 > chunk.length) return null
      length = ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number)
      start += 2
    }
    if (this.#unmasked !== null) start += 4
    const end = start + length
    if (length > maxBytes || end > chunk.length) return null
    const message = this.#unmasked === null ? chunk.subarray(start, end) : this.#unmasked.payload(start, end)
    if (this.#unmasked?.wide !== false && !isUtf8(message)) return null
    this.position = end
    return message
  }
}

const NONE = Buffer.alloc(0)
const FINAL_TEXT = 0x81
const MASKED = 0x80
const LENGTH_16 = 126
const LENGTH_64 = 127

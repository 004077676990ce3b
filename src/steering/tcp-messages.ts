/** Messages out of a TCP stream, each behind its length in two octets (RFC 1035 §4.2.2). */
export class TcpMessages {
  readonly #maxBytes: number
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #lengthRead = 0
  #message: Buffer | null = null
  #messageRead = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Take what belongs to the message that is being read.
   * @returns the number of bytes taken, and the message where it is whole; null where one is announced that is too large
   */
  read(chunk: Buffer): { readonly taken: number; readonly message: Buffer | null } | null {
    let taken = 0
    if (this.#message === null) {
      taken = chunk.copy(this.#length, this.#lengthRead)
      this.#lengthRead += taken
      if (this.#lengthRead < LENGTH_BYTES) return { taken, message: null }
      const length = this.#length.readUInt16BE(0)
      if (length > this.#maxBytes) return null
      this.#message = Buffer.alloc(length)
      this.#messageRead = 0
    }
    const more = chunk.copy(this.#message, this.#messageRead, taken)
    this.#messageRead += more
    taken += more
    if (this.#messageRead < this.#message.length) return { taken, message: null }
    const message = this.#message
    this.#message = null
    this.#lengthRead = 0
    return { taken, message }
  }
}

export function forTcp(message: Buffer): Buffer {
  const framed = Buffer.alloc(LENGTH_BYTES + message.length)
  framed.writeUInt16BE(message.length, 0)
  message.copy(framed, LENGTH_BYTES)
  return framed
}

export const TCP_MESSAGE_BYTES = 65_535
const LENGTH_BYTES = 2

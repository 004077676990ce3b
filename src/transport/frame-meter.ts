/**
 * Follows the frame headers of one direction of a WebSocket (RFC 6455 §5.2) without looking at payloads: how large the
 * message under way says it is, and whether one is under way. `ws` judges the frames themselves; its limits are fixed
 * when a socket is made and ours grow with authentication.
 */
export class FrameMeter {
  maxMessageBytes: number
  /** messages whose last frame has ended; only ever compared */
  messages = 0
  /** a close frame has ended: nothing comes after it (RFC 6455 §5.5.1) */
  closed = false
  /** bytes of the header under way that have been read */
  #headerBytes = 0
  #extendedLeft = 0
  #maskLeft = 0
  #payloadLeft = 0
  #length = 0
  #first = 0
  #masked = false
  /** announced so far by the frames of the message under way */
  #messageBytes = 0
  #inMessage = false

  constructor(maxMessageBytes: number) {
    this.maxMessageBytes = maxMessageBytes
  }

  /** the bytes so far end within a frame or between two frames of a message */
  get partial(): boolean {
    return this.#headerBytes > 0 || this.#inMessage
  }

  /** How many bytes are missing of the message under way; null where its last frame has not announced that yet. */
  get missing(): number | null {
    const announced = this.#headerBytes === 2 && this.#extendedLeft === 0
    return announced && this.#first >= 0x80 && (this.#first & 0x08) === 0
      ? this.#maskLeft + this.#payloadLeft
      : null
  }

  /** @returns false as soon as the message under way announces more than the limit; nothing may follow then */
  feed(chunk: Uint8Array): boolean {
    const end = chunk.length
    let at = 0
    while (at < end) {
      if (this.#headerBytes >= 2 && this.#extendedLeft === 0 && this.#maskLeft === 0) {
        const step = Math.min(this.#payloadLeft, end - at)
        this.#payloadLeft -= step
        at += step
        if (this.#payloadLeft > 0) break
        this.#endFrame()
        continue
      }
      if (!this.#header(chunk[at++] ?? 0)) return false
    }
    if (this.#headerBytes >= 2 && this.#extendedLeft + this.#maskLeft + this.#payloadLeft === 0)
      this.#endFrame()
    return true
  }

  #header(byte: number): boolean {
    if (this.#headerBytes === 0) {
      this.#first = byte
    } else if (this.#headerBytes === 1) {
      const short = byte & 0x7f
      this.#masked = byte >= 0x80
      this.#extendedLeft = short === 126 ? 2 : short === 127 ? 8 : 0
      this.#length = this.#extendedLeft === 0 ? short : 0
    } else if (this.#extendedLeft > 0) {
      this.#extendedLeft -= 1
      this.#length = this.#length * 256 + byte
      if (this.#extendedLeft > 0) return true
    } else {
      this.#maskLeft -= 1
      return true
    }
    this.#headerBytes += 1
    if (this.#headerBytes < 2 || this.#extendedLeft > 0) return true
    return this.#announced()
  }

  /** The length is known. */
  #announced(): boolean {
    this.#headerBytes = 2
    this.#maskLeft = this.#masked ? 4 : 0
    this.#payloadLeft = this.#length
    if ((this.#first & 0x08) !== 0) return true
    this.#inMessage = true
    this.#messageBytes += this.#length
    return this.#messageBytes <= this.maxMessageBytes
  }

  #endFrame(): void {
    this.#headerBytes = 0
    const control = (this.#first & 0x08) !== 0
    const final = this.#first >= 0x80
    if ((this.#first & 0x0f) === 0x08) this.closed = true
    if (control || !final) return
    this.#inMessage = false
    this.#messageBytes = 0
    this.messages += 1
  }
}

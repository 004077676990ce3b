/**
 * Payloads of masked frames (RFC 6455 §5.3), a word at a time, each into memory that it shares with few others, so that
 * keeping one does not keep the 64 KiB that it was read with. Not in place: whatever is wrong is for `ws` to find as it came.
 */
export class Unmasked {
  #chunk: Buffer = NONE
  /** whole words of the chunk, the first of which may begin before it */
  #words: Int32Array = NO_WORDS
  /** bytes of the first word that are not the chunk's */
  #lead = 0
  /** some byte of the last payload is beyond ASCII */
  wide = false

  begin(chunk: Buffer): void {
    this.#chunk = chunk
    this.#lead = chunk.byteOffset & 3
    this.#words = new Int32Array(
      chunk.buffer,
      chunk.byteOffset - this.#lead,
      (this.#lead + chunk.length) >> 2,
    )
  }

  end(): void {
    this.#chunk = NONE
    this.#words = NO_WORDS
  }

  /** The payload from `start` to `end`, whose key stands before it. */
  payload(start: number, end: number): Buffer {
    const phase = (start + this.#lead) & 3
    // Where words of the copy are words of the chunk.
    const at = reserve(phase, end - start)
    this.#copy(start, end, at)
    return target.subarray(at, at + end - start)
  }

  #copy(start: number, end: number, at: number): void {
    const chunk = this.#chunk
    const source = this.#words
    const phase = at & 3
    for (let i = 0; i < 4; i++) keyBytes[(phase + i) & 3] = chunk[start - 4 + i] as number
    const key = keyWord[0] as number
    const length = end - start
    const head = Math.min(length, -phase & 3)
    let seen = 0
    for (let i = 0; i < head; i++)
      seen |= target[at + i] = (chunk[start + i] as number) ^ (keyBytes[(phase + i) & 3] as number)
    const words = (length - head) >> 2
    let from = (start + head + this.#lead) >> 2
    let to = (at + head) >> 2
    const last = from + words
    // Four at a time: nearly all time goes here.
    for (; from + 3 < last; from += 4, to += 4) {
      const one = (source[from] as number) ^ key
      const two = (source[from + 1] as number) ^ key
      const three = (source[from + 2] as number) ^ key
      const four = (source[from + 3] as number) ^ key
      targetWords[to] = one
      targetWords[to + 1] = two
      targetWords[to + 2] = three
      targetWords[to + 3] = four
      seen |= one | two | three | four
    }
    for (; from < last; from++, to++) seen |= targetWords[to] = (source[from] as number) ^ key
    for (let i = head + 4 * words; i < length; i++)
      seen |= target[at + i] = (chunk[start + i] as number) ^ (keyBytes[(phase + i) & 3] as number)
    this.wide = (seen & HIGH_BITS) !== 0
  }
}

const NONE = Buffer.alloc(0)
const NO_WORDS = new Int32Array(0)
const HIGH_BITS = 0x80808080 | 0

/** the key as it lies in words */
const keyBytes = new Uint8Array(4)
const keyWord = new Int32Array(keyBytes.buffer)

/** Kept alive for a small payload. */
const SHARED_BYTES = 8_192
/** A larger one has memory to itself. */
const SMALL_BYTES = SHARED_BYTES >> 2

let shared = Buffer.alloc(0)
let sharedWords: Int32Array = NO_WORDS
let used = 0

/** of the payload under way */
let target: Buffer = shared
let targetWords = sharedWords

/** Room for a payload. @returns where it begins in `target`: at this phase of a word */
function reserve(phase: number, length: number): number {
  if (length > SMALL_BYTES) {
    target = Buffer.allocUnsafeSlow(phase + length)
    targetWords = new Int32Array(target.buffer, 0, target.length >> 2)
    return phase
  }
  let at = ((used + 3) & ~3) + phase
  if (at + length > shared.length) {
    shared = Buffer.allocUnsafeSlow(SHARED_BYTES)
    sharedWords = new Int32Array(shared.buffer)
    at = phase
  }
  used = at + length
  target = shared
  targetWords = sharedWords
  return at
}

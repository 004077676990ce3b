import { randomFillSync } from 'node:crypto'

/**
 * Text messages that one turn sends, each in a frame of its own (RFC 6455 §5.2), as one piece. `ws` would make several
 * buffers of each and write them one by one; whatever else goes out is its business.
 */
export class FrameBatch {
  /** that it takes on the wire */
  bytes = 0
  readonly #masked: boolean
  #payloads: Uint8Array[] = []

  /** @param masked as a client's must be (§5.3) */
  constructor(masked: boolean) {
    this.#masked = masked
  }

  /** @param message UTF-8 */
  add(message: Uint8Array | string): void {
    const payload = typeof message === 'string' ? Buffer.from(message) : message
    this.#payloads.push(payload)
    this.bytes += headerBytes(payload.length) + (this.#masked ? MASK_BYTES : 0) + payload.length
  }

  /** Everything, in order; it is empty then. */
  take(): Buffer {
    const whole = Buffer.allocUnsafe(this.bytes)
    // Whole words of it, for the masks: it is aligned, as Node's are.
    const words = new Int32Array(whole.buffer, whole.byteOffset, whole.length >> 2)
    let at = 0
    for (const payload of this.#payloads) {
      at = writeHeader(whole, at, payload.length, this.#masked)
      const start = this.#masked ? at + MASK_BYTES : at
      whole.set(payload, start)
      const end = start + payload.length
      if (this.#masked) mask(whole, words, at, start, end)
      at = end
    }
    this.#payloads = []
    this.bytes = 0
    return whole
  }
}

const FINAL_TEXT = 0x81
const MASKED = 0x80
const LENGTH_16 = 126
const LENGTH_64 = 127
const MASK_BYTES = 4

function headerBytes(length: number): number {
  if (length < LENGTH_16) return 2
  return length < 2 ** 16 ? 4 : 10
}

/** @returns where it ends */
function writeHeader(target: Buffer, at: number, length: number, masked: boolean): number {
  const bit = masked ? MASKED : 0
  target[at] = FINAL_TEXT
  if (length < LENGTH_16) {
    target[at + 1] = bit | length
    return at + 2
  }
  if (length < 2 ** 16) {
    target[at + 1] = bit | LENGTH_16
    target[at + 2] = length >> 8
    target[at + 3] = length
    return at + 4
  }
  target[at + 1] = bit | LENGTH_64
  target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2)
  target.writeUInt32BE(length % 2 ** 32, at + 6)
  return at + 10
}

// Keys that nobody can foresee, a fresh one for each frame (§5.3, §10.3); drawn many at a time.
const KEYS = 2_048
const keyWords = new Int32Array(KEYS)
const keyBytes = new Uint8Array(keyWords.buffer)
let nextKey = KEYS

/**
 * Mask a payload where it lies, a word at a time. A key is drawn as it lies in whole words; its bytes in the frame follow
 * from where the payload starts.
 */
function mask(target: Buffer, words: Int32Array, keyAt: number, start: number, end: number): void {
  if (nextKey === KEYS) {
    randomFillSync(keyWords)
    nextKey = 0
  }
  const key = keyWords[nextKey] as number
  const keyFrom = 4 * nextKey
  nextKey += 1
  for (let i = 0; i < MASK_BYTES; i++) target[keyAt + i] = keyByte(keyFrom, start + i)
  const wordsFrom = Math.min(end, (start + 3) & ~3)
  const wordsEnd = Math.max(wordsFrom, end & ~3)
  for (let at = start; at < wordsFrom; at++) target[at] = (target[at] as number) ^ keyByte(keyFrom, at)
  for (let at = wordsFrom >> 2; at < wordsEnd >> 2; at++) words[at] = (words[at] as number) ^ key
  for (let at = wordsEnd; at < end; at++) target[at] = (target[at] as number) ^ keyByte(keyFrom, at)
}

function keyByte(keyFrom: number, at: number): number {
  return keyBytes[keyFrom + (at & 3)] as number
}

// Elements keep the bytes that they are made of. Where those are a small part of what was read, keeping them would keep
// much more alive: a stanza of 200 bytes in a queue must not hold the 64 KiB that it was read with.

/** Kept alive for a small element, and shared by those that stood beside it: what Node 20 pools small buffers in. */
const SHARED_BYTES = 8_192
/** A larger one has memory to itself. */
const SMALL_BYTES = SHARED_BYTES >> 2

/** The bytes themselves where they may be kept, else a copy. */
export function own(bytes: Buffer): Buffer {
  if (mayKeep(bytes, bytes.length)) return bytes
  if (bytes.length > SMALL_BYTES) return alone(bytes, 0, bytes.length)
  const copy = place(bytes.length)
  bytes.copy(copy)
  return copy
}

/** Elements out of one chunk after the other. */
export class Pieces {
  #chunk: Buffer = NONE
  #isSmall = false
  /** a copy of the chunk's bytes from here on */
  #shared: Buffer = NONE
  #from = 0

  /**
   * The element between two places of a chunk. A copy is made of those after it as well: one for many.
   * @param known where the chunk's bytes end so far
   */
  cut(chunk: Buffer, start: number, end: number, known: number): Buffer {
    if (chunk !== this.#chunk) {
      this.#chunk = chunk
      this.#shared = NONE
      this.#from = 0
      this.#isSmall = mayKeep(chunk, 0)
    }
    if (this.#isSmall) return chunk.subarray(start, end)
    const at = start - this.#from
    const length = end - start
    if (at + length <= this.#shared.length) return this.#shared.subarray(at, at + length)
    if (mayKeep(chunk, length)) return chunk.subarray(start, end)
    if (length > SMALL_BYTES) return alone(chunk, start, end)
    this.#from = start
    this.#shared = alone(chunk, start, Math.min(known, start + SHARED_BYTES))
    return this.#shared.subarray(0, length)
  }

  /** Lets go of the chunk. */
  release(): void {
    this.#chunk = NONE
    this.#shared = NONE
  }
}

const NONE = Buffer.alloc(0)

function mayKeep(bytes: Buffer, length: number): boolean {
  const kept = bytes.buffer.byteLength
  return kept <= SHARED_BYTES || kept <= 2 * length
}

/** Not from Node's pool, which is larger in Node 24. */
function alone(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}

let shared: Buffer = NONE
let sharedUsed = 0

/** In memory that several share: one of its own costs more than what is in it. */
function place(length: number): Buffer {
  if (sharedUsed + length > shared.length) {
    shared = Buffer.allocUnsafeSlow(SHARED_BYTES)
    sharedUsed = 0
  }
  sharedUsed += length
  return shared.subarray(sharedUsed - length, sharedUsed)
}

/**
 * What one turn sends, to be written as one piece: copying small pieces together costs far less than a write of the runtime
 * for each, or than a list of them in the kernel and in OpenSSL.
 */
export class Batch {
  /** that it takes on the wire */
  bytes = 0
  #pieces: Uint8Array[] = []

  add(piece: Uint8Array | string): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    this.#pieces.push(bytes)
    this.bytes += bytes.length
  }

  /** Everything, in order; it is empty then. */
  take(): Uint8Array {
    const pieces = this.#pieces
    const [first] = pieces
    const whole = pieces.length === 1 && first !== undefined ? first : joined(pieces, this.bytes)
    this.#pieces = []
    this.bytes = 0
    return whole
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = Buffer.allocUnsafe(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

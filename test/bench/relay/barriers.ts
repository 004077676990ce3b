const MARK = 'isthmus-read-'
const BEGIN = '<iq'
const END = '</iq>'
/** longer than any of them */
const LONGEST_BYTES = 512

/** Finds the gateway's own pings between the stanzas of a leg, without a look at the rest. */
export class BarrierFinder {
  /** the end of what came before: one may be cut anywhere */
  #tail: Buffer = Buffer.alloc(0)

  /**
   * @param onBarrier its id
   * @returns how many bytes those take that end in the chunk
   */
  find(chunk: Buffer, onBarrier: (id: string) => void): number {
    const seen = this.#tail.length
    const bytes = seen === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    let length = 0
    for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
      const end = bytes.indexOf(END, at) + END.length
      if (end <= Math.max(seen, END.length)) continue
      length += end - bytes.lastIndexOf(BEGIN, at)
      onBarrier(bytes.toString('latin1', at, bytes.indexOf("'", at)))
    }
    this.#tail = Buffer.from(bytes.subarray(-LONGEST_BYTES))
    return length
  }
}

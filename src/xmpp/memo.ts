/**
 * A bounded memo of a pure function: when the young half is full it becomes the old half, and what was not asked for
 * meanwhile is forgotten. Only what is valid and of usual length is kept, so that hostile input costs no memory.
 */
export class Memo<T> {
  #young = new Map<string, T>()
  #old = new Map<string, T>()

  get(text: string): T | undefined {
    const young = this.#young.get(text)
    if (young !== undefined) return young
    const old = this.#old.get(text)
    if (old !== undefined) this.set(text, old)
    return old
  }

  set(text: string, value: T): void {
    if (text.length > MEMO_TEXT_LENGTH) return
    if (this.#young.size >= MEMO_ENTRIES) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, value)
  }
}

// Not limits of the protocol or of memory worth configuring: about half a megabyte at most.
const MEMO_ENTRIES = 1024
const MEMO_TEXT_LENGTH = 128

/** At most `count` at a time; the others wait in line, at most `waiting` of them. */
export class Slots {
  #free: number
  readonly #maxWaiting: number
  readonly #line = new Set<() => void>()

  constructor(count: number, waiting: number) {
    this.#free = count
    this.#maxWaiting = waiting
  }

  /** @returns false: the line is full, or `signal` was aborted before it was our turn; else `leave` is owed */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve(true)
    }
    if (this.#line.size >= this.#maxWaiting) return Promise.resolve(false)
    return new Promise(resolve => {
      const turn = () => {
        signal.removeEventListener('abort', onAbort)
        resolve(true)
      }
      const onAbort = () => {
        this.#line.delete(turn)
        resolve(false)
      }
      this.#line.add(turn)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  leave(): void {
    for (const turn of this.#line) {
      this.#line.delete(turn)
      turn()
      return
    }
    this.#free += 1
  }
}

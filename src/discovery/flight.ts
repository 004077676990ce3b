/**
 * Work that several wait for: done once, and given up only when the last of them has given up (DS-51).
 */
export class Flight<T> {
  readonly #result: Promise<T>
  readonly #controller = new AbortController()
  #waiting = 0

  /** @param work settles soon after its signal is aborted */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#controller.signal)
  }

  /** nobody waits any more: who comes now must start anew */
  get abandoned(): boolean {
    return this.#controller.signal.aborted
  }

  /** @returns null: `signal` was aborted first */
  join(signal: AbortSignal): Promise<T | null> {
    if (signal.aborted) return Promise.resolve(null)
    this.#waiting += 1
    return new Promise((resolve, reject) => {
      const end = () => {
        signal.removeEventListener('abort', onAbort)
        this.#waiting -= 1
      }
      const onAbort = () => {
        end()
        if (this.#waiting === 0) this.#controller.abort()
        resolve(null)
      }
      signal.addEventListener('abort', onAbort)
      this.#result.then(
        result => {
          if (!signal.aborted) end()
          resolve(result)
        },
        defect => {
          if (!signal.aborted) end()
          reject(defect)
        },
      )
    })
  }
}

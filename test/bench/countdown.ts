/** Counts what happens, for one who waits until it has happened often enough. */
export class Countdown {
  #happened = 0
  #left = 0
  #resolve: (() => void) | null = null

  one(): void {
    this.#happened += 1
    if (this.#resolve === null) return
    this.#left -= 1
    if (this.#left > 0) return
    this.#resolve()
    this.#resolve = null
    this.#happened = 0
  }

  /** Once `count` more have happened since the last time somebody had waited. */
  wait(count: number): Promise<void> {
    this.#left = count - this.#happened
    if (this.#left <= 0) {
      this.#happened = 0
      return Promise.resolve()
    }
    return new Promise(resolve => {
      this.#resolve = resolve
    })
  }
}

import type { DialbackOutcome } from '../stream/index.ts'

/** So many at once, and the others in the order in which they came: any process of this machine may make us ask. */
export class Turns {
  readonly #atOnceMax: number
  readonly #waitingMax: number
  readonly #waiting = new Set<() => void>()
  #taken = 0

  constructor(atOnceMax: number, waitingMax: number) {
    this.#atOnceMax = atOnceMax
    this.#waitingMax = waitingMax
  }

  /** Resolves with null when the turn has come, which lasts until `done`; else with what there is to say instead. */
  take(signal: AbortSignal): Promise<DialbackOutcome | null> {
    if (signal.aborted) return Promise.resolve(GIVEN_UP)
    if (this.#taken < this.#atOnceMax) {
      this.#taken += 1
      return Promise.resolve(null)
    }
    if (this.#waiting.size >= this.#waitingMax) return Promise.resolve(CROWDED)
    return new Promise(resolve => {
      const onAbort = (): void => {
        this.#waiting.delete(onTurn)
        resolve(GIVEN_UP)
      }
      const onTurn = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve(null)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(onTurn)
    })
  }

  /** The next one's turn, if anybody waits. */
  done(): void {
    for (const onTurn of this.#waiting) {
      this.#waiting.delete(onTurn)
      onTurn()
      return
    }
    this.#taken -= 1
  }
}

// DB-28
const CROWDED: DialbackOutcome = { type: 'error', condition: 'resource-constraint' }
/** nobody hears it */
const GIVEN_UP: DialbackOutcome = { type: 'error', condition: 'remote-server-timeout' }

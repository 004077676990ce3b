import type { Clock, Limits, Timer } from '../base/index.ts'
import type { DialbackOutcome, Verification } from '../stream/index.ts'

export interface VerificationsOptions {
  readonly verify: (verification: Verification, signal: AbortSignal) => Promise<DialbackOutcome>
  readonly limits: Pick<Limits, 'dialbackMs'>
  readonly clock: Clock
  readonly onAnswer: (verification: Verification, outcome: DialbackOutcome) => void
}

interface Asking {
  readonly given: AbortController
  readonly deadline: Timer
}

/** The keys that are being asked about: each has an answer in time, and one only, whatever becomes of the question. */
export class Verifications {
  readonly #options: VerificationsOptions
  readonly #asking = new Set<Asking>()

  constructor(options: VerificationsOptions) {
    this.#options = options
  }

  ask(verification: Verification): void {
    const { verify, limits, clock, onAnswer } = this.#options
    const given = new AbortController()
    const deadline = clock.setTimer(limits.dialbackMs, () => {
      settle(UNANSWERED)
      given.abort()
    })
    const asking = { given, deadline }
    this.#asking.add(asking)
    const settle = (outcome: DialbackOutcome) => {
      if (!this.#asking.delete(asking)) return
      deadline.cancel()
      onAnswer(verification, outcome)
    }
    // In a turn of its own: what is thrown at once is a failure like any other.
    Promise.resolve()
      .then(() => verify(verification, given.signal))
      .then(settle, () => settle(DEFECT))
  }

  /** The stream has begun anew, or ended: nobody waits any more. */
  giveUp(): void {
    for (const { given, deadline } of this.#asking) {
      deadline.cancel()
      given.abort()
    }
    this.#asking.clear()
  }
}

// DB-27
const UNANSWERED: DialbackOutcome = { type: 'error', condition: 'remote-server-timeout' }
const DEFECT: DialbackOutcome = { type: 'error', condition: 'internal-server-error' }

import type { Clock, Limits, Observer, SteeringOutcome } from '../base/index.ts'
import type { Domain } from '../xmpp/index.ts'

/** Whether a local server's stream to `domain` is brought to us. May take its time, reject or throw. */
export type Decide = (domain: Domain) => boolean | Promise<boolean>

export interface DecisionsOptions {
  readonly decide: Decide
  readonly observer: Observer
  readonly limits: Pick<Limits, 'steeringDecisionMs' | 'steeringQueries'>
  readonly clock: Clock
}

/**
 * One decision of a domain at a time. Questions that come meanwhile share it, and its deadline: once that is over they are
 * forwarded at once, until the decision has come after all.
 */
export class Decisions {
  readonly #options: DecisionsOptions
  readonly #inFlight = new Map<Domain, Promise<boolean>>()

  constructor(options: DecisionsOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** False where undecided. Never rejects. */
  about(domain: Domain): Promise<boolean> {
    const running = this.#inFlight.get(domain)
    if (running !== undefined) return running
    if (this.#inFlight.size >= this.#options.limits.steeringQueries) {
      this.#publish(domain, false, 'overload', 'too many decisions are being made', 0)
      return Promise.resolve(false)
    }
    return this.#start(domain)
  }

  #start(domain: Domain): Promise<boolean> {
    const { limits, clock } = this.#options
    const startMs = clock.monotonicMs()
    const decision = new Promise<boolean>(resolve => {
      let told = false
      const tell = (steered: boolean, outcome: SteeringOutcome, detail: string) => {
        if (told) return
        told = true
        deadline.cancel()
        this.#publish(domain, steered, outcome, detail, clock.monotonicMs() - startMs)
        resolve(steered)
      }
      const deadline = clock.setTimer(limits.steeringDecisionMs, () =>
        tell(false, 'late', 'no decision in time'),
      )
      void this.#decide(domain).then(result => {
        this.#inFlight.delete(domain)
        if (result.ok) tell(result.steered, 'decided', '')
        else tell(false, 'failed', result.detail)
      })
    })
    this.#inFlight.set(domain, decision)
    return decision
  }

  async #decide(domain: Domain): Promise<Decided> {
    try {
      return { ok: true, steered: (await this.#options.decide(domain)) === true }
    } catch (error) {
      return { ok: false, detail: String(error) }
    }
  }

  #publish(domain: Domain, steered: boolean, outcome: SteeringOutcome, detail: string, ms: number): void {
    this.#options.observer.publish({ type: 'steering:decided', domain, steered, outcome, detail, ms })
  }
}

type Decided =
  | { readonly ok: true; readonly steered: boolean }
  | { readonly ok: false; readonly detail: string }

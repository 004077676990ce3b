import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import { type AnswerFacts, planFor, steeredAnswer } from './answer.ts'
import { askTcp, askUdp } from './ask.ts'
import { type Decide, Decisions } from './decisions.ts'
import type { Endpoint } from './endpoint.ts'
import { type Forwarded, forward } from './forward.ts'
import { answerTo, RCODE, type Via } from './message.ts'
import { type Query, readQuery } from './query.ts'
import { Reports } from './reports.ts'

export interface ResponderOptions {
  readonly upstream: readonly Endpoint[]
  readonly target: { readonly port: number }
  readonly decide: Decide
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  readonly observer: Observer
}

/** From a message to its answer, however it came. */
export class Responder {
  readonly #options: ResponderOptions
  readonly #facts: AnswerFacts
  readonly #decisions: Decisions
  readonly #reports: Reports
  readonly #closing = new AbortController()
  #waiting = 0

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#facts = { port: options.target.port, ttlMs: options.limits.steeringTtlMs }
    this.#decisions = new Decisions(options)
    this.#reports = new Reports(options.limits.steeringReportMs, options.clock)
  }

  /** The answer; null: there is none to give. Never rejects. */
  async respond(message: Buffer, via: Via): Promise<Buffer | null> {
    const { limits } = this.#options
    const read = readQuery(message, limits)
    if (!read.ok) return read.answer
    const { query } = read
    const plan = planFor(query, via, this.#facts)
    if (plan.kind === 'answer') return plan.message
    if (this.#waiting >= limits.steeringQueries) return this.#refuse(query, via)
    this.#waiting += 1
    try {
      if (plan.kind === 'decide' && (await this.#decisions.about(plan.domain)))
        return steeredAnswer(query, plan.service, via, this.#facts)
      return await this.#forward(query, via)
    } finally {
      this.#waiting -= 1
    }
  }

  /** What waits for an upstream gets no answer any more. */
  close(): void {
    this.#closing.abort()
  }

  async #forward(query: Query, via: Via): Promise<Buffer | null> {
    const { signal } = this.#closing
    // A question that came over TCP has an answer that is too large for UDP.
    const forwarded = await forward(query, via === 'tcp' ? askTcp : askUdp, this.#options, signal)
    if (!forwarded.ok && signal.aborted) return null
    if (forwarded.ok) return forwarded.message
    this.#report(forwarded)
    return answerTo(query, via, { rcode: RCODE.serverFailure })
  }

  #report({ failures }: Extract<Forwarded, { ok: false }>): void {
    const { observer } = this.#options
    for (const failure of failures)
      this.#reports.note(failure.upstream, count =>
        observer.publish({ type: 'steering:forward-failed', ...failure, count }),
      )
  }

  #refuse(query: Query, via: Via): Buffer {
    const { observer, limits } = this.#options
    const detail = `${limits.steeringQueries} questions are waiting already`
    this.#reports.note('refused', count => observer.publish({ type: 'steering:refused', detail, count }))
    return answerTo(query, via, { rcode: RCODE.serverFailure })
  }
}

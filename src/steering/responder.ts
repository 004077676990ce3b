import { setMaxListeners } from 'node:events'
import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { Domain } from '../xmpp/index.ts'
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
  /** questions that wait for a decision */
  #deciding = 0
  /** questions that wait for an upstream */
  #forwarding = 0

  constructor(options: ResponderOptions) {
    this.#options = options
    // One for each question that is forwarded.
    setMaxListeners(options.limits.steeringQueries, this.#closing.signal)
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
    if (plan.kind === 'decide') {
      const decision = await this.#decide(plan.domain)
      if (decision === 'refused') return this.#refuse(query, via)
      if (decision === 'steered') return steeredAnswer(query, plan.service, via, this.#facts)
    }
    return this.#forward(query, via)
  }

  /** What waits for an upstream fails. */
  close(): void {
    this.#closing.abort()
  }

  /** Counted apart from what is forwarded: upstreams that are down must not keep steered domains from us. */
  async #decide(domain: Domain): Promise<'steered' | 'forwarded' | 'refused'> {
    if (this.#deciding >= this.#options.limits.steeringQueries) return 'refused'
    this.#deciding += 1
    const steered = await this.#decisions.about(domain)
    this.#deciding -= 1
    return steered ? 'steered' : 'forwarded'
  }

  async #forward(query: Query, via: Via): Promise<Buffer> {
    if (this.#forwarding >= this.#options.limits.steeringQueries) return this.#refuse(query, via)
    this.#forwarding += 1
    // A question that came over TCP has an answer that is too large for UDP.
    const forwarded = await forward(
      query,
      via === 'tcp' ? askTcp : askUdp,
      this.#options,
      this.#closing.signal,
    )
    this.#forwarding -= 1
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

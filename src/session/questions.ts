import type { DialbackOutcome, StreamInput, Verification } from '../stream/index.ts'
import type { Domain, DomainPair } from '../xmpp/index.ts'
import type { DriverOptions } from './driver-options.ts'
import type { StreamEvents } from './events.ts'
import { Verifications } from './verifications.ts'

/** What a machine cannot know by itself: it asks, and the answer is an input. */
export class Questions {
  readonly #options: DriverOptions
  readonly #events: StreamEvents
  readonly #feed: (input: StreamInput) => void
  readonly #verifications: Verifications | null

  constructor(options: DriverOptions, events: StreamEvents, feed: (input: StreamInput) => void) {
    const { verify, session } = options
    const { limits, clock } = session
    this.#options = options
    this.#events = events
    this.#feed = feed
    this.#verifications =
      verify === undefined
        ? null
        : new Verifications({
            verify,
            limits,
            clock,
            onAnswer: (verification, outcome) => feed({ ...verification, outcome, type: 'verification' }),
          })
  }

  identity(claimed: Domain): void {
    const { judge, session } = this.#options
    const verdict = judge?.(session.transport.facts.tls, claimed)
    if (verdict === undefined) throw new TypeError('a verdict is asked for where none is needed')
    this.#events.judged(verdict)
    this.#feed({ type: 'identity', verdict })
  }

  startTls(pair: DomainPair): void {
    const { startTls, session } = this.#options
    const { transport } = session
    if (startTls === undefined || transport.startTls === undefined)
      throw new TypeError('TLS is agreed on where there can be none')
    void transport.startTls(startTls(pair)).then(result => {
      // A failure has ended the transport, which tells it.
      if ('by' in result) return
      this.#feed({ type: 'secured', peerCertificate: result.chain.length > 0 })
    })
  }

  verify({ certified, ...verification }: Verification & { readonly certified: boolean }): void {
    const outcome = certified ? this.#certified(verification.pair.remote) : null
    if (outcome !== null) this.#feed({ ...verification, outcome, type: 'verification' })
    else this.#ask(verification)
  }

  /** DB-22: what proved the stream's first domain may be for this one as well. */
  #certified(claimed: Domain): DialbackOutcome | null {
    const { judge, session } = this.#options
    const verdict = judge?.(session.transport.facts.tls, claimed)
    if (verdict?.ok !== true) return null
    this.#events.judged(verdict)
    const { via, name, notAfterMs } = verdict
    return { type: 'valid', evidence: `${via} ${name}`, notAfterMs }
  }

  #ask(verification: Verification): void {
    if (this.#verifications === null) throw new TypeError('a key is to be verified where none is taken')
    this.#verifications.ask(verification)
  }

  /** The stream begins anew, or ends: what was asked before is void (WS-41). */
  giveUp(): void {
    this.#verifications?.giveUp()
  }
}

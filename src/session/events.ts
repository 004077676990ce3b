import type { Observer, StreamLabel, StreamRole } from '../base/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { StreamProgress } from '../stream/index.ts'
import type { TransportFacts } from '../transport/index.ts'
import { describe, type Failure, failureId } from '../xmpp/index.ts'
import type { Standing } from './standing.ts'

/** Tells the observer what becomes of one stream, under the names that are known of it by then. */
export class StreamEvents {
  readonly #observer: Observer
  readonly #facts: TransportFacts
  #label: StreamLabel

  constructor(
    observer: Observer,
    facts: TransportFacts,
    about: { readonly role: StreamRole; readonly local: string; readonly remote: string },
  ) {
    this.#observer = observer
    this.#facts = facts
    this.#label = { ...about, address: facts.remoteAddress }
  }

  progress(step: StreamProgress): void {
    switch (step.name) {
      case 'open':
        this.#label = { ...this.#label, ...step.pair }
        this.#observer.publish({ type: 'stream:open', ...this.#label, id: step.id })
        break
      case 'features':
        this.#observer.publish({ type: 'stream:features', ...this.#label, features: step.features })
        break
      case 'authenticating':
        this.#observer.publish({ type: 'stream:authenticating', ...this.#label, mechanism: step.mechanism })
        break
      case 'closing': // its end is told, not its beginning
        break
    }
  }

  /** of the peer's certificate, for the domain that it claims */
  judged(verdict: IdentityVerdict): void {
    const { role } = this.#label
    const judged = { type: 'identity', role, domain: verdict.domain } as const
    if (verdict.ok) this.#observer.publish({ ...judged, ok: true, via: verdict.via, name: verdict.name })
    else this.#observer.publish({ ...judged, ok: false, reason: verdict.reason, detail: verdict.detail })
  }

  established({ pair, proof, setupMs }: Standing): void {
    this.#label = { ...this.#label, local: pair.local, remote: pair.remote }
    this.#observer.publish({
      type: 'stream:established',
      ...this.#label,
      transport: this.#facts.kind,
      tls: this.#facts.tls?.protocol ?? 'none',
      authentication: proof.method,
      proof: proof.evidence,
      setupMs,
    })
  }

  ended(failure: Failure | null, established: boolean, lifeMs: number): void {
    const reason = failure === null ? 'closed' : failureId(failure)
    const detail = failure === null ? 'closed in order' : describe(failure)
    this.#observer.publish({ type: 'stream:ended', ...this.#label, established, reason, detail, lifeMs })
  }
}

import type { Observer, StreamLabel, StreamRole } from '../base/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { StreamProgress } from '../stream/index.ts'
import type { Transport } from '../transport/index.ts'
import { describe, type Failure, failureId } from '../xmpp/index.ts'
import type { EstablishedSession } from './session.ts'

/** Tells the observer what becomes of one stream, under the names that are known of it by then. */
export class StreamEvents {
  readonly #observer: Observer
  readonly #transport: Pick<Transport, 'facts'>
  #label: StreamLabel

  constructor(
    observer: Observer,
    transport: Pick<Transport, 'facts'>,
    role: StreamRole,
    { local, remote }: { readonly local: string; readonly remote: string },
  ) {
    this.#observer = observer
    this.#transport = transport
    this.#label = { role, local, remote, address: transport.facts.remoteAddress }
  }

  progress(step: StreamProgress): void {
    switch (step.name) {
      case 'open':
        this.#named(step.pair)
        this.#observer.publish({ type: 'stream:open', ...this.#label, id: step.id })
        break
      case 'features':
        this.#observer.publish({ type: 'stream:features', ...this.#label, features: step.features })
        break
      case 'authenticating':
        this.#observer.publish({ type: 'stream:authenticating', ...this.#label, mechanism: step.mechanism })
        break
      case 'starttls': // what it comes to is told with the stream
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

  established({ pair, proof, bidi, setupMs }: EstablishedSession): void {
    this.#named(pair)
    const { tls, proxied = false } = this.#transport.facts
    const isForwarded = proof.method === 'sasl-external' && tls?.nodeVerdict === 'forwarded'
    this.#observer.publish({
      type: 'stream:established',
      ...this.#label,
      transport: this.#transport.facts.kind,
      tls: tls?.protocol ?? (proxied ? 'proxy' : 'none'),
      authentication: proof.method,
      // That the peer holds the certificate's key is then the proxy's word.
      proof: isForwarded ? `${proof.evidence}, forwarded by a proxy` : proof.evidence,
      bidi,
      setupMs,
    })
  }

  #named({ local, remote }: { readonly local: string; readonly remote: string }): void {
    const { role, address } = this.#label
    this.#label = { role, local, remote, address }
  }

  ended(failure: Failure | null, established: boolean, lifeMs: number): void {
    const reason = failure === null ? 'closed' : failureId(failure)
    const detail = failure === null ? 'closed in order' : describe(failure)
    this.#observer.publish({ type: 'stream:ended', ...this.#label, established, reason, detail, lifeMs })
  }
}

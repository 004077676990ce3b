import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { TrustStore } from '../identity/index.ts'
import type { ProvenVerdict } from '../stream/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Domain, DomainPair } from '../xmpp/index.ts'
import type { SessionHandler } from './session.ts'

export interface SessionOptions {
  /** nobody has attached to it yet */
  readonly transport: Transport
  readonly handler: SessionHandler
  readonly observer: Observer
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
}

export interface InitiatingSessionOptions extends SessionOptions {
  readonly pair: DomainPair
  /** the peer's certificate proves `pair.remote`: it was judged when the transport was dialled (CT-10) */
  readonly verdict: ProvenVerdict
}

export interface ReceivingSessionOptions extends SessionOptions {
  readonly isLocal: (domain: Domain) => boolean
  readonly trust: TrustStore
}

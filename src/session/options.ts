import type { SecureContext } from 'node:tls'
import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { IdentityVerdict, TrustStore } from '../identity/index.ts'
import type { Callee, DialbackOutcome, DialbackSecret, StanzasTo, Verification } from '../stream/index.ts'
import type { TlsFacts, Transport } from '../transport/index.ts'
import type { Domain, DomainPair, Stanza } from '../xmpp/index.ts'
import type { Management } from './management.ts'
import type { SessionHandler } from './session.ts'

export interface SessionOptions {
  /** nobody has attached to it yet */
  readonly transport: Transport
  readonly handler: SessionHandler
  readonly observer: Observer
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  /** absent: 'pair' */
  readonly stanzasTo?: StanzasTo
}

/**
 * How a peer on a wire without pings is asked whether it has read what was sent: a ping as a stanza behind the others.
 * Its answer may come on any stream; whoever sees it calls Session.answered.
 */
export interface Barrier {
  /** the ping with this number; it is no stanza of the account */
  readonly request: (id: number) => Stanza
  /** Two in a row have had no answer: from now on, what the kernel has taken counts as read. */
  readonly onSilent: () => void
}

export interface InitiatingSessionOptions extends SessionOptions {
  readonly pair: DomainPair
  /**
   * The peer's certificate proves `pair.remote`: it was judged when the transport was dialled (CT-10). Only where there is
   * no TLS yet may it be something else.
   */
  readonly verdict: Callee
  /** TLS on the stream; absent: never */
  readonly starttls?: {
    readonly required: boolean
    readonly servername: string
    readonly secureContext: SecureContext
    readonly judge: (tls: TlsFacts, claimed: Domain) => IdentityVerdict
  }
  /** we present a certificate, so that SASL EXTERNAL can be asked for; absent: true */
  readonly certificate?: boolean
  /** show a key where SASL EXTERNAL is not agreed on; absent: never */
  readonly dialback?: DialbackSecret
  /** which comes first where the peer offers both (SA-14); absent: 'external' */
  readonly first?: 'external' | 'dialback'
  /** ask for stanzas both ways where the peer offers it */
  readonly bidi?: boolean
  readonly barrier?: Barrier
  /** stream management (XEP-0198); absent: never */
  readonly management?: InitiatingManagement
}

export interface InitiatingManagement {
  /** 'offered': where the peer offers it; 'always': it is asked for even where it does not */
  readonly when: 'offered' | 'always'
  /** a lost stream is to be resumed */
  readonly resumable: boolean
  /** Asked once the stream is proven: what goes on here, where the peer has it; null: nothing, it begins anew. */
  readonly resumes?: () => Management | null
}

export interface ReceivingSessionOptions extends SessionOptions {
  readonly isLocal: (domain: Domain) => boolean
  /** whom a stream is taken from; absent: every domain of the network that is not local */
  readonly admits?: (from: Domain) => boolean
  readonly trust: TrustStore
  /** in place of `trust` alone */
  readonly judge?: (tls: TlsFacts, claimed: Domain) => IdentityVerdict
  /** TLS on the stream; absent: never. The context is asked for once the pair is known; null: there is none for it. */
  readonly starttls?: {
    readonly required: boolean
    readonly contextFor: (pair: DomainPair) => SecureContext
  }
  /** take keys; absent: no dialback */
  readonly dialback?: {
    readonly secret: DialbackSecret
    /** Ask the domain's own server. Never rejects; given up when `signal` is aborted: the stream has ended. */
    readonly verify: (verification: Verification, signal: AbortSignal) => Promise<DialbackOutcome>
  }
  /** offer stanzas both ways (XEP-0288); absent: not */
  readonly bidi?: boolean
  /** offer stream management (XEP-0198); absent: never */
  readonly management?: { readonly resumable: boolean }
  /** take headers from before version 1.0 */
  readonly legacy?: boolean
}

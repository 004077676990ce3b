import type { Decoded, OutgoingFrame } from '../framing/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { Domain, DomainPair, Failure, Stanza, StanzaCondition } from '../xmpp/index.ts'
import type { DialbackOutcome } from './dialback.ts'
import type { PeerProof } from './proof.ts'

/** What one input makes of a machine. The outputs are carried out in order, each before the next input is given. */
export interface Step<S> {
  readonly state: S
  readonly outputs: readonly StreamOutput[]
}

/** What a wire needs, as data; streams never ask which wire it is. */
export interface TransportPolicy {
  /** TLS protects the transport already */
  readonly secure: boolean
  /** what the peer is told and tells in limits and errors */
  readonly name: 'websocket' | 'tcp'
}

/** Whether TLS is agreed on within the stream (RFC 6120 §5). */
export type StartTls = 'never' | 'offered' | 'required'

/** Whose stanzas pass: of one proven pair, or, beside a server of our own, from a proven domain to anybody. */
export type StanzasTo = 'pair' | 'anybody'

export type StreamTimer =
  /** header expected; after SASL, the whole restart */
  | 'open'
  /** header seen to authenticated */
  | 'negotiation'
  /** our close to the peer's */
  | 'close'
  /** `<resume/>` to its answer */
  | 'management'

export type StreamInput =
  | Decoded
  /** answer to need-identity */
  | { readonly type: 'identity'; readonly verdict: IdentityVerdict }
  /** answer to start-tls: TLS stands */
  | { readonly type: 'secured'; readonly peerCertificate: boolean }
  /** answer to need-verification */
  | ({ readonly type: 'verification'; readonly outcome: DialbackOutcome } & Verification)
  /** initiating, once stream management may be asked for: ask for a new one, or for one that was lost; else nothing */
  | { readonly type: 'manage'; readonly how: Manage }
  /** answer to need-resumption: what of that one's stanzas we have handled (0 to 2^32-1); null: there is no such thing here */
  | { readonly type: 'resumption'; readonly h: number | null }
  | { readonly type: 'timeout'; readonly timer: StreamTimer }
  /** end the stream in order; with a failure, by its stream error */
  | { readonly type: 'end'; readonly failure: Failure | null }
  | { readonly type: 'transport-closed'; readonly failure: Failure | null }

export type StreamOutput =
  | { readonly type: 'write'; readonly frame: OutgoingFrame }
  /** null disarms */
  | { readonly type: 'timer'; readonly timer: StreamTimer; readonly afterMs: number | null }
  /** judge the peer's certificate for `claimed`; the machine waits for `identity` and takes nothing else */
  | { readonly type: 'need-identity'; readonly claimed: Domain }
  /** TLS from here on, before anything else is read or written; the machine waits for `secured` */
  | { readonly type: 'start-tls'; readonly pair: DomainPair }
  /** receiving: ask the server of `pair.remote` whether the key is its own; the stream goes on meanwhile (DB-19) */
  | ({
      readonly type: 'need-verification'
      /** the peer's certificate has proven a domain here: where it proves `pair.remote` too, nobody need be asked (DB-22) */
      readonly certified: boolean
    } & Verification)
  /** verifying: what that server said; its stream ends then */
  | { readonly type: 'verified'; readonly outcome: DialbackOutcome }
  /** the next thing in each direction is a header */
  | { readonly type: 'restart' }
  /**
   * For the observer: what happened, in the spec's words. From `closing` on, which comes ahead of our close, the caller
   * writes no more stanzas of its own.
   */
  | { readonly type: 'progress'; readonly step: StreamProgress }
  | {
      readonly type: 'established'
      readonly pair: DomainPair
      readonly proof: PeerProof
      readonly peerLimits: PeerLimits
      /** stanzas go both ways (XEP-0288) */
      readonly bidi: boolean
      /** stream management: initiating: it may be asked for now, by `manage`; receiving: it is offered */
      readonly sm: boolean
    }
  /** receiving, after established: stanzas go both ways from here on (BI-04) */
  | { readonly type: 'bidi'; readonly peerLimits: PeerLimits }
  /** receiving, after established: one more pair of this stream (DB-20) */
  | { readonly type: 'authorised'; readonly pair: DomainPair; readonly proof: PeerProof }
  /** only after established, only for proven pairs */
  | { readonly type: 'stanza'; readonly stanza: Stanza }
  /** stream management (XEP-0198): what has come of it; counters begin here, or go on */
  | { readonly type: 'managed'; readonly management: Management }
  /** receiving: the peer wants to go on with what was `previd`, of which it has handled `h`; answered by `resumption`, always and soon */
  | { readonly type: 'need-resumption'; readonly previd: string; readonly h: number }
  /** only where stream management is on: the peer has handled so many, modulo 2^32; until its close */
  | { readonly type: 'ack'; readonly h: number }
  /** only where it is on: the peer wants to be told; the caller writes ackElement() in the same turn (SM-05) */
  | { readonly type: 'ack-request' }
  /** the same where nothing can be answered any more: what it has acknowledged before was not its last word */
  | { readonly type: 'late-ack-request' }
  /** close the transport now, with this RFC 6455 code */
  | { readonly type: 'close-transport'; readonly code: 1000 | 1001 | 1008 | 1009; readonly reason: string }
  /** exactly once, always last; null: ended in order */
  | { readonly type: 'ended'; readonly failure: Failure | null }

export type StreamProgress =
  | {
      readonly name: 'open'
      readonly pair: { readonly local: string; readonly remote: string }
      readonly id: string
    }
  | { readonly name: 'features'; readonly features: readonly string[] }
  | { readonly name: 'authenticating'; readonly mechanism: 'EXTERNAL' | 'DIALBACK' }
  | { readonly name: 'starttls' }
  | { readonly name: 'closing' }

export type Manage =
  | { readonly type: 'enable'; readonly resume: boolean }
  | { readonly type: 'resume'; readonly previd: string; readonly h: number }

/** Initiating: the peer's answer. Receiving: ours, which is written ahead of this. */
export type Management =
  | {
      readonly type: 'enabled'
      /** by which a lost stream can be resumed; null: it cannot */
      readonly id: string | null
      /** how long after its loss; null where nobody said */
      readonly maxSeconds: number | null
    }
  /** the peer has handled `h` */
  | { readonly type: 'resumed'; readonly h: number }
  /**
   * initiating: the peer refuses, or did not answer in time ('remote-server-timeout'); after a failed resumption a new one
   * may be asked for on the same stream
   */
  | {
      readonly type: 'failed'
      /** what it had handled of what was to be resumed; null: it does not say */
      readonly h: number | null
      readonly condition: StanzaCondition
    }

/** A key that was shown to us, and the stream id that it was made for. */
export interface Verification {
  readonly pair: DomainPair
  /** the same two as they were written beside the key, which may have been made of these letters (DB-03, DB-25) */
  readonly from: string
  readonly to: string
  readonly id: string
  readonly key: string
}

/** XEP-0478, as the peer advertised, in its features or in its request for bidi; null where it said nothing. */
export interface PeerLimits {
  readonly maxBytes: number | null
  readonly idleSeconds: number | null
}

import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { DomainPair, Failure } from '../xmpp/index.ts'
import { type Closing, close, drop, type Ended } from './closing.ts'
import type { DialbackSecret } from './dialback.ts'
import { openFrame } from './header.ts'
import type { PeerLimits, StanzasTo, StartTls, Step, StreamOutput, TransportPolicy } from './machine.ts'
import { after, disarm } from './outputs.ts'
import type { Takes } from './pair-stanza.ts'
import type { Callee, PeerProof, ProvenVerdict } from './proof.ts'

export interface InitiatingOptions {
  readonly policy: TransportPolicy
  readonly pair: DomainPair
  /**
   * Its certificate proves `pair.remote` (CT-10). Only where the wire begins without TLS may it be something else:
   * 'by-starttls' where that is required, else 'configured-address'.
   */
  readonly peer: Callee
  /** absent: never */
  readonly starttls?: StartTls
  /** we present a certificate, so that SASL EXTERNAL can be asked for (SA-16); absent: true */
  readonly certificate?: boolean
  /** show a key where SASL EXTERNAL is not agreed on; absent: never */
  readonly dialback?: DialbackSecret
  /** which comes first where the peer offers both (SA-14); absent: 'external' */
  readonly first?: 'external' | 'dialback'
  /** ask for stanzas both ways where the peer offers it (XEP-0288) */
  readonly bidi?: boolean
  /**
   * stream management (XEP-0198) may be asked for: where the peer offers it, or 'always', even where it does not say so;
   * absent: never
   */
  readonly sm?: 'offered' | 'always'
  /** absent: 'pair' */
  readonly stanzasTo?: StanzasTo
  readonly limits: Pick<
    Limits,
    'openMs' | 'negotiationMs' | 'enableMs' | 'dialbackMs' | 'closeMs' | 'stanzaBytes' | 'advertisedIdleMs'
  >
}

export type InitiatingState =
  | AwaitingOpen
  | AwaitingFeatures
  | AwaitingProceed
  | AwaitingTls
  | Authenticating
  | ShowingKey
  | Established
  | Closing
  | Ended

/** What is true in every state until the end. */
export interface Common {
  readonly options: InitiatingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
  readonly peer: Callee
  /** TLS protects the stream */
  readonly secure: boolean
}

/** SASL has succeeded, and the stream begins anew. */
export interface Authenticated {
  readonly peer: ProvenVerdict
  /** AM-12: asked for before, it holds after */
  readonly bidi: boolean
}

export interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
  /** null before SASL */
  readonly authenticated: Authenticated | null
}

export interface AwaitingFeatures extends Common {
  readonly type: 'awaiting-features'
  readonly authenticated: Authenticated | null
  readonly header: StreamHeader
  /**
   * What is wrong with the peer's header. Kept until the features: who answers with an error may not be able to write a
   * right header, and the error says more (WS-44).
   */
  readonly fault: Failure | null
}

/** STARTTLS is asked for. */
export interface AwaitingProceed extends Common {
  readonly type: 'awaiting-proceed'
}

/** TLS is being made, then judged: no word can be read or written. */
export interface AwaitingTls extends Common {
  readonly type: 'awaiting-tls'
}

export interface Authenticating extends Common {
  readonly type: 'authenticating'
  readonly peer: ProvenVerdict
  readonly challenged: boolean
  /** where SASL fails, dialback is next on the same stream (SA-13) */
  readonly offered: Offered
}

/** Our key is out; the answer is awaited. */
export interface ShowingKey extends Common {
  readonly type: 'showing-key'
  readonly offered: Offered
  /** the peer has refused SASL EXTERNAL on this stream */
  readonly refusal: Unauthenticated | null
}

export interface Established extends Common {
  readonly type: 'established'
  /** null: stanzas go one way only */
  readonly takes: Takes | null
  readonly sm: ManagedBy
}

/** Stream management, as who asks for it. */
export type ManagedBy =
  | 'unavailable'
  | 'on'
  /** it may be asked for; `isLate`: the answer to a resumption may still come, for which we no longer wait */
  | { readonly type: 'available'; readonly isLate: boolean }
  | { readonly type: 'enabling'; readonly resume: boolean; readonly isLate: boolean }
  | { readonly type: 'resuming'; readonly previd: string }

export type Unauthenticated = Extract<Failure, { kind: 'unauthenticated' }>

/** What the peer's header and features have told. */
export interface Offered {
  readonly id: string
  readonly dialback: boolean
  readonly bidi: boolean
  /** stream management may be asked for */
  readonly sm: boolean
  readonly limits: PeerLimits
}

export type Live = Exclude<InitiatingState, Closing | Ended>

/** From a state to another, with what is true in all of them. */
export function common({ options, unsolicited, peer, secure }: Live): Common {
  return { options, unsolicited, peer, secure }
}

export function establish(
  state: Live,
  proof: PeerProof,
  { bidi, sm, limits }: Pick<Offered, 'bidi' | 'sm' | 'limits'>,
): Step<InitiatingState> {
  const { pair, stanzasTo = 'pair' } = state.options
  const timer = timerOf(state)
  const disarmed: readonly StreamOutput[] = timer === null ? [] : [disarm(timer)]
  return {
    state: {
      ...common(state),
      type: 'established',
      takes: bidi ? { pairs: [pair], to: stanzasTo } : null,
      sm: sm ? { type: 'available', isLate: false } : 'unavailable',
    },
    outputs: [...disarmed, { type: 'established', pair, proof, peerLimits: limits, bidi, sm }],
  }
}

/** End the stream, with the error that tells of `failure`. */
export function fail(state: Live, failure: Failure | null): Step<InitiatingState> {
  if (state.type === 'awaiting-tls') return drop(failure)
  const takes = state.type === 'established' ? state.takes : null
  const { closeMs: afterMs } = state.options.limits
  return leave(state, close(failure, { takes, managed: isManaged(state), afterMs }))
}

/** Stream management is on. */
export function isManaged(state: Live): boolean {
  return state.type === 'established' && state.sm === 'on'
}

export function leave(state: Live, step: Step<InitiatingState>): Step<InitiatingState> {
  const timer = timerOf(state)
  return timer === null ? step : after([disarm(timer)], step)
}

/** The deadline of a state: each has one until the stream stands, and then whoever waits for an answer. */
export function timerOf(state: Live): 'open' | 'negotiation' | 'management' | null {
  switch (state.type) {
    case 'awaiting-open':
      return 'open'
    case 'awaiting-features':
      return state.authenticated === null ? 'negotiation' : 'open'
    case 'awaiting-proceed':
    case 'authenticating':
    case 'showing-key':
      return 'negotiation'
    case 'awaiting-tls': // the transport's handshake has its own deadline
      return null
    case 'established':
      return typeof state.sm !== 'string' && state.sm.type !== 'available' ? 'management' : null
  }
}

export function writeOpen({ pair, dialback }: InitiatingOptions): StreamOutput {
  // ST-07: no id.
  const header = { from: pair.local, to: pair.remote }
  return { type: 'write', frame: openFrame(header, { dialback: dialback !== undefined }) }
}

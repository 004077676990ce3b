import type { Limits } from '../base/index.ts'
import type { Domain, DomainPair, Failure } from '../xmpp/index.ts'
import { type Closing, close, drop, type Ended } from './closing.ts'
import type { DialbackSecret } from './dialback.ts'
import { featuresElement, NO_LIMITS } from './features.ts'
import { openFrame } from './header.ts'
import type {
  PeerLimits,
  StanzasTo,
  StartTls,
  Step,
  StreamOutput,
  StreamTimer,
  TransportPolicy,
  Verification,
} from './machine.ts'
import { after, disarm, NOTHING, writeElement } from './outputs.ts'
import type { Takes } from './pair-stanza.ts'
import type { PeerProof, ProvenVerdict } from './proof.ts'

export interface ReceivingOptions {
  readonly policy: TransportPolicy
  /** whether we speak for the domain */
  readonly isLocal: (domain: Domain) => boolean
  /** whom a stream is taken from; absent: every domain of the network that is not local */
  readonly admits?: (from: Domain) => boolean
  /** the peer presented one; whether it proves anything is asked by need-identity */
  readonly peerCertificate: boolean
  /** fresh ones, by streamId(): one for each header, of which TLS and SASL make three at most (ST-08) */
  readonly streamIds: readonly [string, string, string]
  /** every stream is sent elsewhere, by the operator's wish (WS-53); only where the wire can say so */
  readonly redirectTo?: string
  /** absent: never */
  readonly starttls?: StartTls
  /** keys are taken, and asked about by need-verification; with it, keys of ours are made and known again. Absent: no dialback */
  readonly dialback?: DialbackSecret
  /** stanzas both ways are offered, before authentication (XEP-0288); absent: not */
  readonly bidi?: boolean
  /** stream management is offered (XEP-0198); absent: never */
  readonly sm?: OfferedManagement
  /** headers from before version 1.0 are taken, where dialback is */
  readonly legacy?: boolean
  /** absent: 'pair' */
  readonly stanzasTo?: StanzasTo
  readonly limits: Pick<
    Limits,
    | 'openMs'
    | 'negotiationMs'
    | 'closeMs'
    | 'saslAttempts'
    | 'stanzaBytes'
    | 'advertisedIdleMs'
    | 'dialbackMs'
    | 'dialbackPending'
    | 'dialbackPairs'
    | 'dialbackKeyBytes'
  >
}

export interface OfferedManagement {
  /** fresh and unguessable, by streamId(): by it the stream can be resumed */
  readonly id: string
  /** how long after its loss; 0: not at all */
  readonly maxSeconds: number
}

export type ReceivingState =
  | AwaitingOpen
  | AwaitingIdentity
  | Negotiating
  | AwaitingTls
  | Restarting
  | Established
  | Closing
  | Ended

/** What is true in every state until the end. */
export interface Common {
  readonly options: ReceivingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
  /** keys that were asked about and have proven nothing */
  readonly inVain: number
  /** TLS protects the stream */
  readonly secure: boolean
  /** the peer presented a certificate */
  readonly certificate: boolean
  /** which of the streamIds is the next header's, or, behind it, after the current one's */
  readonly headers: number
  /** we have answered a verify: a peer that then closes has got what it came for */
  readonly served: boolean
  /** stanzas both ways: asked for, with these limits of the peer (LI-02), or not yet */
  readonly bidi: 'not-offered' | 'offered' | PeerLimits
  /** stream management: asked for, once the peer is proven; or what it wants to resume, until the caller has answered */
  readonly sm: 'not-offered' | 'offered' | 'on' | Resuming
}

export interface Resuming {
  readonly previd: string
  /** what the peer has handled of ours */
  readonly h: number
}

export interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
}

/** Our header is written; the features wait for the verdict (SA-01). */
export interface AwaitingIdentity extends Common {
  readonly type: 'awaiting-identity'
  readonly pair: DomainPair
}

/** The features are written: SASL EXTERNAL among them where it can succeed. */
export interface Negotiating extends Common {
  readonly type: 'negotiating'
  /** null where the header named nobody */
  readonly pair: DomainPair | null
  /** null: its certificate proves nothing, so only dialback is left */
  readonly peer: ProvenVerdict | null
  /** a challenge is out, and its response expected */
  readonly challenged: boolean
  readonly attempts: number
  /** a key has been shown, so that there is more time; only once (TMO-1) */
  readonly shown: boolean
  readonly verifying: readonly Verification[]
}

/** `<proceed/>` is written: no word can be read or written before TLS stands. */
export interface AwaitingTls extends Common {
  readonly type: 'awaiting-tls'
}

/** Authenticated; the second header is expected and nothing else (WS-41). */
export interface Restarting extends Common {
  readonly type: 'restarting'
  readonly pair: DomainPair
  readonly peer: ProvenVerdict
}

export interface Established extends Common {
  readonly type: 'established'
  readonly takes: Takes
  readonly verifying: readonly Verification[]
  /** its certificate has proven the domain of its header */
  readonly certified: boolean
}

export type Live = Exclude<ReceivingState, Closing | Ended>

/** From a state to another, with what is true in all of them. */
export function common(state: Live): Common {
  const { options, unsolicited, inVain, secure, certificate, headers, served, bidi, sm } = state
  return { options, unsolicited, inVain, secure, certificate, headers, served, bidi, sm }
}

/** The features before authentication, and a peer that may ask for what they list. */
export function offer(state: Common, pair: DomainPair | null, peer: ProvenVerdict | null): Step<Negotiating> {
  const bidi = offersBidi(state) ? 'offered' : 'not-offered'
  const sm = offersSm(state, false) ? 'offered' : 'not-offered'
  return {
    state: negotiating({ ...state, bidi, sm }, pair, peer),
    outputs: writeFeatures(state, { external: peer !== null, authenticated: false }),
  }
}

export function negotiating(state: Common, pair: DomainPair | null, peer: ProvenVerdict | null): Negotiating {
  const fresh = { challenged: false, attempts: 0, shown: false, verifying: [] } as const
  return { ...state, type: 'negotiating', pair, peer, ...fresh }
}

export function established(
  state: Common,
  pairs: readonly DomainPair[],
  { verifying, certified }: Pick<Established, 'verifying' | 'certified'>,
): Established {
  const { stanzasTo = 'pair' } = state.options
  return { ...state, type: 'established', takes: { pairs, to: stanzasTo }, verifying, certified }
}

/** What is said of a stream that stands now. BI-04: what was asked for before authentication holds. */
export function agreed({ bidi, sm }: Common, pair: DomainPair, proof: PeerProof): StreamOutput {
  const isBidi = typeof bidi !== 'string'
  const peerLimits = isBidi ? bidi : NO_LIMITS
  return { type: 'established', pair, proof, peerLimits, bidi: isBidi, sm: sm === 'offered' }
}

/** The deadline of a state: each has one until the peer is proven. */
export function timerOf(state: Live): StreamTimer | null {
  switch (state.type) {
    case 'awaiting-open':
    case 'restarting':
      return 'open'
    case 'awaiting-identity':
    case 'negotiating':
      return 'negotiation'
    case 'awaiting-tls': // the transport's handshake has its own deadline
    case 'established':
      return null
  }
}

/** End the stream, with the error that tells of `failure`, unless it `isTold` already. */
export function fail(state: Live, failure: Failure | null, isTold = false): Step<ReceivingState> {
  if (state.type === 'awaiting-tls') return drop(failure)
  const takes = state.type === 'established' ? state.takes : null
  const closed = close(failure, {
    takes,
    managed: state.sm === 'on',
    isTold,
    afterMs: state.options.limits.closeMs,
  })
  return leave(state, after(headerBefore(state), closed))
}

export function leave(state: Live, step: Step<ReceivingState>): Step<ReceivingState> {
  const timer = timerOf(state)
  return timer === null ? step : after([disarm(timer)], step)
}

/** WS-43: an error needs a header of ours before it. */
function headerBefore(state: Live): readonly StreamOutput[] {
  if (state.type === 'awaiting-open') return [writeOpen(state, null, null, false)]
  return state.type === 'restarting'
    ? [writeOpen(state, state.pair.local, state.pair.remote, false)]
    : NOTHING
}

/** of the next header that we write */
export function nextId({ options, headers }: Common): string {
  return options.streamIds[headers] ?? ''
}

/** of the header that we have written last */
export function currentId({ options, headers }: Common): string {
  return options.streamIds[headers - 1] ?? ''
}

/** WS-44: from the domain asked for where it is ours, else from nobody. */
export function writeOpen(
  state: Common,
  local: Domain | null,
  remote: Domain | null,
  legacy: boolean,
): StreamOutput {
  const addressed = remote === null ? { from: local ?? '' } : { from: local ?? '', to: remote }
  const header = { ...addressed, id: nextId(state) }
  return {
    type: 'write',
    frame: openFrame(header, { dialback: state.options.dialback !== undefined, legacy }),
  }
}

/** BI-01: where TLS is required it comes before everything. */
function offersBidi({ options, secure }: Common): boolean {
  return options.bidi === true && (secure || options.starttls !== 'required')
}

/** SM-04: features come once where dialback proves the peer, so they list it whenever that is offered. */
export function offersSm({ options, secure }: Common, authenticated: boolean): boolean {
  if (options.sm === undefined) return false
  return authenticated || (options.dialback !== undefined && (secure || options.starttls !== 'required'))
}

export function writeFeatures(
  state: Common,
  offered: { readonly external: boolean; readonly authenticated: boolean },
): readonly StreamOutput[] {
  const { options, secure } = state
  const { limits, dialback, starttls = 'never' } = options
  const tls = secure || offered.authenticated ? 'never' : starttls
  const { element, names } = featuresElement({
    external: offered.external,
    starttls: tls,
    // Where TLS is required it comes before everything.
    dialback: dialback !== undefined && tls !== 'required',
    bidi: !offered.authenticated && offersBidi(state),
    sm: offersSm(state, offered.authenticated),
    limits,
  })
  return [writeElement(element), { type: 'progress', step: { name: 'features', features: names } }]
}

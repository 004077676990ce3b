import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { Element, ScannedElement } from '../xml/index.ts'
import {
  type Domain,
  type DomainPair,
  type Failure,
  isViolation,
  NS,
  notFederable,
  type StanzaCondition,
} from '../xmpp/index.ts'
import {
  answerClose,
  answerError,
  type Closing,
  close,
  drop,
  type Ended,
  gone,
  lost,
  NOTHING,
  redirect,
  stepClosing,
} from './closing.ts'
import {
  answerElement,
  answerVerify,
  type DialbackOutcome,
  type DialbackRequest,
  type DialbackSecret,
  readDialback,
  refuseResult,
  UNSOLICITED,
  UNSOLICITED_MAX,
} from './dialback.ts'
import { type ElementKind, kindOf } from './elements.ts'
import { violated } from './errors.ts'
import {
  CLOSED_EARLY,
  NO_CERTIFICATE,
  NO_FROM,
  NO_HEADER,
  NO_TLS,
  NOT_AUTHENTICATED,
  OTHER_FROM,
  OTHER_TO,
  WRONG_KEY,
  WRONG_VERDICT,
} from './failures.ts'
import { featuresElement, NO_LIMITS } from './features.ts'
import { isLegacy, judgeHeader, openFrame } from './header.ts'
import type {
  StanzasTo,
  StartTls,
  Step,
  StreamInput,
  StreamOutput,
  StreamTimer,
  TransportPolicy,
  Verification,
} from './machine.ts'
import { type Takes, takenStanza } from './pair-stanza.ts'
import { type ProvenVerdict, proveByDialback, proveByExternal } from './proof.ts'
import { answerSasl, EXTERNAL } from './sasl-external.ts'
import { PROCEED, TLS_FAILURE } from './starttls.ts'

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
  /** headers from before version 1.0 are taken */
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
    | 'dialbackPending'
    | 'dialbackPairs'
  >
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

interface Common {
  readonly options: ReceivingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
  /** TLS protects the stream */
  readonly secure: boolean
  /** the peer presented a certificate */
  readonly certificate: boolean
  /** which of the streamIds is the next header's, or, behind it, after the current one's */
  readonly headers: number
  /** we have answered a verify: a peer that then closes has got what it came for */
  readonly served: boolean
}

interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
}

/** Our header is written; the features wait for the verdict (SA-01). */
interface AwaitingIdentity extends Common {
  readonly type: 'awaiting-identity'
  readonly pair: DomainPair
}

/** The features are written: SASL EXTERNAL among them where it can succeed. */
interface Negotiating extends Common {
  readonly type: 'negotiating'
  /** null where the header named nobody */
  readonly pair: DomainPair | null
  /** null: its certificate proves nothing, so only dialback is left */
  readonly peer: ProvenVerdict | null
  /** a challenge is out, and its response expected */
  readonly challenged: boolean
  readonly attempts: number
  readonly verifying: readonly Verification[]
}

/** `<proceed/>` is written. */
interface AwaitingTls extends Common {
  readonly type: 'awaiting-tls'
  readonly pair: DomainPair
}

/** Authenticated; the second header is expected and nothing else (WS-41). */
interface Restarting extends Common {
  readonly type: 'restarting'
  readonly pair: DomainPair
  readonly peer: ProvenVerdict
}

interface Established extends Common {
  readonly type: 'established'
  readonly takes: Takes
  readonly verifying: readonly Verification[]
}

type Live = Exclude<ReceivingState, Closing | Ended>

export function startReceiving(options: ReceivingOptions): Step<ReceivingState> {
  return {
    state: {
      type: 'awaiting-open',
      options,
      unsolicited: 0,
      secure: options.policy.secure,
      certificate: options.peerCertificate,
      headers: 0,
      served: false,
    },
    outputs: [{ type: 'timer', timer: 'open', afterMs: options.limits.openMs }],
  }
}

/** Advance the receiving side by one input. Pure; never throws on what a peer sends. */
export function stepReceiving(state: ReceivingState, input: StreamInput): Step<ReceivingState> {
  if (state.type === 'ended') return { state, outputs: NOTHING }
  if (state.type === 'closing') return stepClosing(state, input)
  switch (input.type) {
    case 'element':
      return onElement(state, input.element)
    case 'open':
      return onOpen(state, input.header)
    case 'close':
      return onClose(state)
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...input.violation })
    case 'identity':
      return state.type === 'awaiting-identity'
        ? onIdentity(state, input.verdict)
        : { state, outputs: NOTHING }
    case 'secured':
      return state.type === 'awaiting-tls' ? onSecured(state, input) : { state, outputs: NOTHING }
    case 'verification':
      return onVerification(state, input, input.outcome)
    case 'timeout':
      return onTimeout(state, input.timer)
    case 'end':
      return onEnd(state, input.failure)
    case 'transport-closed':
      return leave(state, gone(lost(input.failure)))
  }
}

function onElement(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  if (state.type === 'established' && scanned.namespace === NS.server) return onStanza(state, scanned)
  const kind = kindOf(scanned)
  switch (state.type) {
    case 'awaiting-open':
      return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
    case 'restarting':
      if (kind === 'error') return onOther(state, kind, scanned)
      return fail(state, violated('not-authorized', 'WS-41', 'something else before the second header'))
    case 'awaiting-identity':
      return onEarly(state, kind, scanned)
    case 'negotiating':
      if (kind === 'sasl') return onSasl(state, scanned)
      if (kind === 'starttls') return onStartTls(state)
      return onEarly(state, kind, scanned)
    case 'awaiting-tls':
      // RFC 6120 §5.4.3.3: what stands behind <starttls/> in the clear may be anybody's.
      return fail(state, violated('policy-violation', 'WS-64', 'an element between <starttls/> and TLS'))
    case 'established':
      if (kind === 'stanza') return onStanza(state, scanned)
      // SE-31: what is unknown changes nothing.
      return kind === 'unknown' || kind === 'sasl'
        ? { state, outputs: NOTHING }
        : onOther(state, kind, scanned)
  }
}

/** The path of every stanza. */
function onStanza(state: Established, scanned: ScannedElement): Step<ReceivingState> {
  const stanza = takenStanza(scanned, state.takes)
  if (!isViolation(stanza)) return { state, outputs: [{ type: 'stanza', stanza }] }
  return fail(state, { by: 'peer', kind: 'violation', ...stanza })
}

/** Before authentication. */
function onEarly(
  state: AwaitingIdentity | Negotiating,
  kind: ElementKind,
  scanned: ScannedElement,
): Step<ReceivingState> {
  if (kind !== 'stanza') return onOther(state, kind, scanned)
  if (scanned.namespace === NS.client)
    return fail(state, violated('invalid-namespace', 'SZ-07', 'a stanza in jabber:client'))
  return fail(state, violated('not-authorized', 'ST-17', 'a stanza before authentication'))
}

function onOther(state: Live, kind: ElementKind, scanned: ScannedElement | null): Step<ReceivingState> {
  if (kind === 'error' && scanned !== null)
    return leave(state, answerError(scanned, state.options.limits.closeMs))
  if (kind === 'dialback' && scanned !== null) return onDialback(state, scanned)
  if (kind === 'starttls')
    return fail(state, violated('unsupported-stanza-type', 'WS-65', 'STARTTLS, which is not offered'))
  return fail(state, violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here'))
}

function onOpen(state: Live, header: StreamHeader): Step<ReceivingState> {
  if (state.type === 'awaiting-open') return onFirstOpen(state, header)
  if (state.type === 'restarting') return onSecondOpen(state, header)
  // WS-34: one stream at a time.
  return fail(state, violated('bad-format', 'WS-34', 'a second header'))
}

function onFirstOpen(state: AwaitingOpen, header: StreamHeader): Step<ReceivingState> {
  const { options } = state
  const { limits, redirectTo } = options
  if (redirectTo !== undefined) return leave(state, redirect(redirectTo, limits.closeMs))
  const { to, from, fault } = judgeHeader(header, options)
  const refusal = fault ?? refuseUnprovable(state, from)
  const legacy = isLegacy(header, options)
  const opened = openedBy(state, to, from, legacy)
  // WS-43: whatever is wrong, the header comes first.
  if (refusal !== null) return leave(state, after(opened, close(refusal, { afterMs: limits.closeMs })))
  const pair = to === null || from === null ? null : { local: to, remote: from }
  const timers: StreamOutput[] = [
    { type: 'timer', timer: 'open', afterMs: null },
    { type: 'timer', timer: 'negotiation', afterMs: limits.negotiationMs },
  ]
  const next = { ...common(state), headers: state.headers + 1 }
  if (pair !== null && state.secure && state.certificate)
    return {
      state: { ...next, type: 'awaiting-identity', pair },
      outputs: [...timers, ...opened, { type: 'need-identity', claimed: pair.remote }],
    }
  // COMPAT(jabberd2): features would confuse it.
  const features = legacy ? NOTHING : writeFeatures(state, false)
  return {
    state: negotiating(next, pair, null),
    outputs: [...timers, ...opened, ...features],
  }
}

/** Why nothing that we do could prove the peer (ST-05). */
function refuseUnprovable(
  { options, secure, certificate }: AwaitingOpen,
  from: Domain | null,
): Failure | null {
  if (options.dialback !== undefined) return null
  if (!secure && canStartTls(options)) return null
  if (from === null) return NO_FROM
  if (!secure) return NO_TLS
  return certificate ? null : NO_CERTIFICATE
}

function canStartTls({ starttls = 'never' }: ReceivingOptions): boolean {
  return starttls !== 'never'
}

function negotiating(state: Common, pair: DomainPair | null, peer: ProvenVerdict | null): Negotiating {
  return { ...state, type: 'negotiating', pair, peer, challenged: false, attempts: 0, verifying: [] }
}

function onIdentity(state: AwaitingIdentity, verdict: IdentityVerdict): Step<ReceivingState> {
  const { options, pair } = state
  if (!verdict.ok) {
    const { reason, detail } = verdict
    if (options.dialback === undefined) return fail(state, { by: 'peer', kind: 'identity', reason, detail })
    // DECISIONS 9: else dialback.
    return { state: negotiating(common(state), pair, null), outputs: writeFeatures(state, false) }
  }
  // A verdict about somebody else would be a defect of ours; it proves nothing here.
  if (verdict.domain !== pair.remote) return fail(state, WRONG_VERDICT)
  return { state: negotiating(common(state), pair, verdict), outputs: writeFeatures(state, true) }
}

/** COMPAT(Prosody): a server that requires TLS asks for it also where it is not offered. */
function onStartTls(state: Negotiating): Step<ReceivingState> {
  const { options, secure, pair } = state
  if (options.policy.name !== 'tcp' || secure) return onOther(state, 'starttls', null)
  if (!canStartTls(options) || pair === null) {
    // RFC 6120 §5.4.2.2: the failure, then the close.
    return after([writeElement(TLS_FAILURE)], fail(state, null))
  }
  return {
    state: { ...common(state), type: 'awaiting-tls', pair },
    outputs: [
      { type: 'timer', timer: 'negotiation', afterMs: null },
      { type: 'progress', step: { name: 'starttls' } },
      writeElement(PROCEED),
      { type: 'restart' },
      { type: 'start-tls', pair },
    ],
  }
}

function onSecured(
  state: AwaitingTls,
  { peerCertificate }: { readonly peerCertificate: boolean },
): Step<ReceivingState> {
  return {
    state: { ...common(state), type: 'awaiting-open', secure: true, certificate: peerCertificate },
    outputs: [{ type: 'timer', timer: 'open', afterMs: state.options.limits.openMs }],
  }
}

function onSasl(state: Negotiating, scanned: ScannedElement): Step<ReceivingState> {
  const { options, pair, peer } = state
  const answer = pair === null || peer === null ? null : answerSasl(scanned, pair.remote, state.challenged)
  if (answer === null || pair === null || peer === null)
    return fail(state, violated('unsupported-stanza-type', 'SE-24', 'a SASL element that has no place here'))
  const attempts = answer.isAttempt ? state.attempts + 1 : state.attempts
  if (attempts > options.limits.saslAttempts)
    return fail(state, violated('policy-violation', 'SA-13', 'too many attempts to authenticate'))
  const written = writeElement(answer.element)
  switch (answer.type) {
    case 'challenge':
      return {
        state: { ...state, challenged: true, attempts },
        outputs: state.attempts === 0 ? [AUTHENTICATING, written] : [written],
      }
    case 'failure': // SA-13: the stream stays usable
      return { state: { ...state, challenged: false, attempts }, outputs: [written] }
    case 'success':
      return {
        state: { ...common(state), type: 'restarting', pair, peer },
        outputs: [
          ...(state.attempts === 0 ? [AUTHENTICATING] : []),
          { type: 'timer', timer: 'negotiation', afterMs: null },
          written,
          { type: 'restart' },
          { type: 'timer', timer: 'open', afterMs: options.limits.openMs },
        ],
      }
  }
}

/** WS-40: a new id, new features, and the same two domains as before (ST-18). */
function onSecondOpen(state: Restarting, header: StreamHeader): Step<ReceivingState> {
  const { options, pair, peer } = state
  const { to, from, fault } = judgeHeader(header, options)
  const id = idOf(state)
  const opened = [writeOpen(state, to, from, false), progressOpen(id, pair)]
  const refusal = fault ?? (from !== pair.remote ? OTHER_FROM : to !== pair.local ? OTHER_TO : null)
  if (refusal !== null)
    return leave(state, after(opened, close(refusal, { afterMs: options.limits.closeMs })))
  return {
    state: established({ ...common(state), headers: state.headers + 1 }, [pair], []),
    outputs: [
      { type: 'timer', timer: 'open', afterMs: null },
      ...opened,
      ...writeFeatures(state, false),
      establishedBy(pair, proveByExternal(peer)),
    ],
  }
}

function established(
  state: Common,
  pairs: readonly DomainPair[],
  verifying: readonly Verification[],
): Established {
  const { stanzasTo = 'pair' } = state.options
  return { ...state, type: 'established', takes: { pairs, to: stanzasTo }, verifying }
}

function establishedBy(pair: DomainPair, proof: ReturnType<typeof proveByExternal>): StreamOutput {
  return { type: 'established', pair, proof, peerLimits: NO_LIMITS, bidi: false }
}

function onDialback(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  const { options } = state
  const read = readDialback(scanned)
  switch (read.kind) {
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...read.violation })
    case 'answer':
      return onUnsolicited(state)
    case 'request':
      if (read.name === 'verify') {
        // DB-18: on any stream, proven or not.
        const answer = answerVerify(read, options.dialback ?? null, options.isLocal)
        return { state: { ...state, served: true }, outputs: [writeElement(answer)] }
      }
      if (options.dialback === undefined)
        return { state, outputs: [writeElement(refuseResult(read, options.isLocal))] }
      return state.type === 'negotiating' || state.type === 'established'
        ? onResult(state, read)
        : { state, outputs: [writeElement(answerElement(read, NOT_NOW))] }
  }
}

const NOT_NOW = { type: 'error', condition: 'unexpected-request' } as const

/** A key that is said to be the remote domain's (PROTOCOL E.3). */
function onResult(state: Negotiating | Established, request: DialbackRequest): Step<ReceivingState> {
  const { pair } = request
  const refusal = refuseKey(state, pair)
  if (refusal !== null || pair === null) {
    const condition = refusal ?? 'jid-malformed'
    return { state, outputs: [writeElement(answerElement(request, { type: 'error', condition }))] }
  }
  if (isProven(state, pair))
    return { state, outputs: [writeElement(answerElement(request, { type: 'valid' }))] }
  // One verification of a pair at a time; its answer answers them all.
  if (state.verifying.some(other => isSamePair(other.pair, pair))) return { state, outputs: NOTHING }
  const verification = { pair, id: currentId(state), key: request.key }
  const outputs: StreamOutput[] = [{ type: 'need-verification', ...verification }]
  if (state.type === 'negotiating' && state.verifying.length === 0)
    outputs.unshift({ type: 'progress', step: { name: 'authenticating', mechanism: 'DIALBACK' } })
  return { state: { ...state, verifying: [...state.verifying, verification] }, outputs }
}

/** Why a pair cannot be proven here (DB-23, DB-28); null: it can be asked about. */
function refuseKey(state: Negotiating | Established, pair: DomainPair | null): StanzaCondition | null {
  const { options, secure, verifying } = state
  const { isLocal, admits, starttls, limits } = options
  if (pair === null) return 'jid-malformed'
  if (!isLocal(pair.local)) return 'item-not-found'
  const isAdmitted =
    admits === undefined ? !isLocal(pair.remote) && notFederable(pair.remote) === null : admits(pair.remote)
  if (!isAdmitted) return 'not-acceptable'
  if (starttls === 'required' && !secure) return 'policy-violation'
  const pairs = state.type === 'established' ? state.takes.pairs.length : 0
  const isFull = verifying.length >= limits.dialbackPending || pairs >= limits.dialbackPairs
  return isFull ? 'resource-constraint' : null
}

function isProven(state: Negotiating | Established, pair: DomainPair): boolean {
  return state.type === 'established' && state.takes.pairs.some(proven => isSamePair(proven, pair))
}

function isSamePair(one: DomainPair, other: DomainPair): boolean {
  return one.local === other.local && one.remote === other.remote
}

function onVerification(
  state: Live,
  { pair, id }: Verification,
  outcome: DialbackOutcome,
): Step<ReceivingState> {
  // WS-41, DB-44: what was asked on a stream that has been restarted is void.
  if (state.type !== 'negotiating' && state.type !== 'established') return { state, outputs: NOTHING }
  const verifying = state.verifying.filter(other => !(other.id === id && isSamePair(other.pair, pair)))
  if (verifying.length === state.verifying.length) return { state, outputs: NOTHING }
  const answered = { name: 'result', from: pair.remote, to: pair.local, id: '' } as const
  const write = (answer: Parameters<typeof answerElement>[1]) => writeElement(answerElement(answered, answer))
  switch (outcome.type) {
    case 'valid': {
      const proof = proveByDialback(pair.remote, outcome.evidence)
      if (state.type === 'negotiating')
        return {
          state: established(common(state), [pair], verifying),
          outputs: [
            { type: 'timer', timer: 'negotiation', afterMs: null },
            write({ type: 'valid' }),
            establishedBy(pair, proof),
          ],
        }
      return {
        state: established(common(state), [...state.takes.pairs, pair], verifying),
        outputs: [write({ type: 'valid' }), { type: 'authorised', pair, proof }],
      }
    }
    case 'invalid':
      // DB-26: whoever shows a wrong key has no place here, unless others on its stream have shown right ones.
      if (state.type === 'established' || verifying.length > 0)
        return { state: { ...state, verifying }, outputs: [write(FORBIDDEN)] }
      return after([write({ type: 'invalid' })], fail(state, WRONG_KEY))
    case 'error': // DB-25
      return { state: { ...state, verifying }, outputs: [write(outcome)] }
  }
}

const FORBIDDEN = { type: 'error', condition: 'forbidden' } as const

function onUnsolicited(state: Live): Step<ReceivingState> {
  const unsolicited = state.unsolicited + 1
  if (unsolicited < UNSOLICITED_MAX) return { state: { ...state, unsolicited }, outputs: NOTHING }
  return fail(state, { by: 'peer', kind: 'violation', ...UNSOLICITED })
}

function onClose(state: Live): Step<ReceivingState> {
  // WS-31: there is nothing yet that could be closed.
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'a close before the header'))
  const failure = state.type === 'established' || state.served ? null : CLOSED_EARLY
  return leave(state, answerClose(failure, state.options.limits.closeMs))
}

function onTimeout(state: Live, timer: StreamTimer): Step<ReceivingState> {
  if (timer !== timerOf(state)) return { state, outputs: NOTHING }
  // WS-56: a stream that was never begun has nobody to be told.
  if (state.type === 'awaiting-open') return leave(state, drop(NO_HEADER))
  return fail(state, timer === 'open' ? NO_HEADER : NOT_AUTHENTICATED)
}

function onEnd(state: Live, failure: Failure | null): Step<ReceivingState> {
  // WS-31: nothing is written before the peer's header.
  return state.type === 'awaiting-open' ? leave(state, drop(failure)) : fail(state, failure)
}

function fail(state: Live, failure: Failure | null): Step<ReceivingState> {
  const takes = state.type === 'established' ? state.takes : null
  const closed = close(failure, { takes, afterMs: state.options.limits.closeMs })
  return leave(state, after(headerBefore(state), closed))
}

/** WS-43: an error needs a header of ours before it. */
function headerBefore(state: Live): readonly StreamOutput[] {
  if (state.type === 'awaiting-open') return [writeOpen(state, null, null, false)]
  return state.type === 'restarting'
    ? [writeOpen(state, state.pair.local, state.pair.remote, false)]
    : NOTHING
}

function leave(state: Live, step: Step<ReceivingState>): Step<ReceivingState> {
  const timer = timerOf(state)
  return timer === null ? step : after([{ type: 'timer', timer, afterMs: null }], step)
}

function after(outputs: readonly StreamOutput[], step: Step<ReceivingState>): Step<ReceivingState> {
  return { state: step.state, outputs: [...outputs, ...step.outputs] }
}

function timerOf(state: Live): StreamTimer | null {
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

function common({ options, unsolicited, secure, certificate, headers, served }: Live): Common {
  return { options, unsolicited, secure, certificate, headers, served }
}

/** of the next header that we write */
function idOf({ options, headers }: Common): string {
  return options.streamIds[headers] ?? ''
}

/** of the header that we have written last */
function currentId({ options, headers }: Common): string {
  return options.streamIds[headers - 1] ?? ''
}

function openedBy(
  state: AwaitingOpen,
  to: Domain | null,
  from: Domain | null,
  legacy: boolean,
): readonly StreamOutput[] {
  const written = writeOpen(state, to, from, legacy)
  if (to === null || from === null) return [written]
  return [written, progressOpen(idOf(state), { local: to, remote: from })]
}

/** WS-44: from the domain asked for where it is ours, else from nobody. */
function writeOpen(
  state: Common,
  local: Domain | null,
  remote: Domain | null,
  legacy: boolean,
): StreamOutput {
  const addressed = remote === null ? { from: local ?? '' } : { from: local ?? '', to: remote }
  const header = { ...addressed, id: idOf(state) }
  return {
    type: 'write',
    frame: openFrame(header, { dialback: state.options.dialback !== undefined, legacy }),
  }
}

function writeFeatures(
  { options, secure, type }: { options: ReceivingOptions; secure: boolean; type: Live['type'] },
  external: boolean,
): readonly StreamOutput[] {
  const { limits, dialback, starttls = 'never' } = options
  const tls = secure || type === 'restarting' ? 'never' : starttls
  const { element, names } = featuresElement({
    external,
    starttls: tls,
    // Where TLS is required it comes before everything.
    dialback: dialback !== undefined && tls !== 'required',
    limits,
  })
  return [writeElement(element), { type: 'progress', step: { name: 'features', features: names } }]
}

function writeElement(element: Element): StreamOutput {
  return { type: 'write', frame: { type: 'element', element } }
}

function progressOpen(id: string, { local, remote }: DomainPair): StreamOutput {
  return { type: 'progress', step: { name: 'open', pair: { local, remote }, id } }
}

const AUTHENTICATING: StreamOutput = {
  type: 'progress',
  step: { name: 'authenticating', mechanism: EXTERNAL },
}

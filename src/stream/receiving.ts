import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { Element, ScannedElement } from '../xml/index.ts'
import { type Domain, type DomainPair, type Failure, isViolation, NS } from '../xmpp/index.ts'
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
import { answerDialback } from './dialback-refused.ts'
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
  WRONG_VERDICT,
} from './failures.ts'
import { featuresElement, NO_LIMITS } from './features.ts'
import { judgeHeader, openFrame } from './header.ts'
import type { Step, StreamInput, StreamOutput, StreamTimer, TransportPolicy } from './machine.ts'
import { pairStanza } from './pair-stanza.ts'
import { type ProvenVerdict, proveByExternal } from './proof.ts'
import { answerSasl, EXTERNAL } from './sasl-external.ts'

export interface ReceivingOptions {
  readonly policy: TransportPolicy
  readonly isLocal: (domain: Domain) => boolean
  /** the peer presented one; whether it proves anything is asked by need-identity */
  readonly peerCertificate: boolean
  /** fresh ones, by streamId(): of the first stream, and of the one after SASL (ST-08) */
  readonly streamIds: readonly [string, string]
  /** every stream is sent elsewhere, by the operator's wish (WS-53); only where the wire can say so */
  readonly redirectTo?: string
  readonly limits: Pick<
    Limits,
    'openMs' | 'negotiationMs' | 'closeMs' | 'saslAttempts' | 'stanzaBytes' | 'advertisedIdleMs'
  >
}

export type ReceivingState =
  | AwaitingOpen
  | AwaitingIdentity
  | Negotiating
  | Restarting
  | Established
  | Closing
  | Ended

interface Common {
  readonly options: ReceivingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
}

interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
}

/** Our header is written; the features wait for the verdict (SA-01). */
interface AwaitingIdentity extends Common {
  readonly type: 'awaiting-identity'
  readonly pair: DomainPair
}

/** SASL EXTERNAL is offered, because it can succeed. */
interface Negotiating extends Common {
  readonly type: 'negotiating'
  readonly pair: DomainPair
  readonly peer: ProvenVerdict
  /** a challenge is out, and its response expected */
  readonly challenged: boolean
  readonly attempts: number
}

/** Authenticated; the second header is expected and nothing else (WS-41). */
interface Restarting extends Common {
  readonly type: 'restarting'
  readonly pair: DomainPair
  readonly peer: ProvenVerdict
}

interface Established extends Common {
  readonly type: 'established'
  /** whose stanzas pass; with dialback there will be more than one */
  readonly pair: DomainPair
}

type Live = AwaitingOpen | AwaitingIdentity | Negotiating | Restarting | Established

export function startReceiving(options: ReceivingOptions): Step<ReceivingState> {
  return {
    state: { type: 'awaiting-open', options, unsolicited: 0 },
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
      return kind === 'sasl' ? onSasl(state, scanned) : onEarly(state, kind, scanned)
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
  const stanza = pairStanza(scanned, state.pair)
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

function onOther(state: Live, kind: ElementKind, scanned: ScannedElement): Step<ReceivingState> {
  if (kind === 'error') return leave(state, answerError(scanned, state.options.limits.closeMs))
  if (kind === 'dialback') return onDialback(state, scanned)
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
  const { options, unsolicited } = state
  const { limits, redirectTo } = options
  if (redirectTo !== undefined) return leave(state, redirect(redirectTo, limits.closeMs))
  const judged = judgeHeader(header, options.isLocal)
  const { to, from } = judged
  const refusal = judged.fault ?? refuseUnproven(options, from)
  const id = options.streamIds[0]
  // WS-43: whatever is wrong, the header comes first.
  const opened: StreamOutput[] = [writeOpen(id, to, from)]
  if (to !== null && from !== null) opened.push(progressOpen(id, { local: to, remote: from }))
  if (refusal !== null || to === null || from === null)
    return leave(state, after(opened, close(refusal, { afterMs: limits.closeMs })))
  return {
    state: { type: 'awaiting-identity', options, unsolicited, pair: { local: to, remote: from } },
    outputs: [
      { type: 'timer', timer: 'open', afterMs: null },
      { type: 'timer', timer: 'negotiation', afterMs: limits.negotiationMs },
      ...opened,
      { type: 'need-identity', claimed: from },
    ],
  }
}

/** Why SASL EXTERNAL is out of the question. Dialback will be asked here, and again after the verdict (ST-05). */
function refuseUnproven({ policy, peerCertificate }: ReceivingOptions, from: Domain | null): Failure | null {
  if (from === null) return NO_FROM
  if (!policy.secure) return NO_TLS
  return peerCertificate ? null : NO_CERTIFICATE
}

function onIdentity(state: AwaitingIdentity, verdict: IdentityVerdict): Step<ReceivingState> {
  const { options, unsolicited, pair } = state
  if (!verdict.ok) {
    const { reason, detail } = verdict
    return fail(state, { by: 'peer', kind: 'identity', reason, detail })
  }
  // A verdict about somebody else would be a defect of ours; it proves nothing here.
  if (verdict.domain !== pair.remote) return fail(state, WRONG_VERDICT)
  return {
    state: {
      type: 'negotiating',
      options,
      unsolicited,
      pair,
      peer: verdict,
      challenged: false,
      attempts: 0,
    },
    outputs: writeFeatures(options, true),
  }
}

function onSasl(state: Negotiating, scanned: ScannedElement): Step<ReceivingState> {
  const { options, unsolicited, pair, peer } = state
  const answer = answerSasl(scanned, pair.remote, state.challenged)
  if (answer === null)
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
        state: { type: 'restarting', options, unsolicited, pair, peer },
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
  const { options, unsolicited, pair, peer } = state
  const { to, from, fault } = judgeHeader(header, options.isLocal)
  const id = options.streamIds[1]
  const opened = [writeOpen(id, to, from), progressOpen(id, pair)]
  const refusal = fault ?? (from !== pair.remote ? OTHER_FROM : to !== pair.local ? OTHER_TO : null)
  if (refusal !== null)
    return leave(state, after(opened, close(refusal, { afterMs: options.limits.closeMs })))
  return {
    state: { type: 'established', options, unsolicited, pair },
    outputs: [
      { type: 'timer', timer: 'open', afterMs: null },
      ...opened,
      ...writeFeatures(options, false),
      { type: 'established', pair, proof: proveByExternal(peer), peerLimits: NO_LIMITS },
    ],
  }
}

function onDialback(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  const answer = answerDialback(scanned, state.options.isLocal, state.unsolicited)
  switch (answer.type) {
    case 'answer':
      return { state, outputs: [writeElement(answer.element)] }
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...answer.violation })
    case 'unsolicited':
      return { state: { ...state, unsolicited: answer.count }, outputs: NOTHING }
  }
}

function onClose(state: Live): Step<ReceivingState> {
  // WS-31: there is nothing yet that could be closed.
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'a close before the header'))
  const failure = state.type === 'established' ? null : CLOSED_EARLY
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
  const takes = state.type === 'established' ? state.pair : null
  const closed = close(failure, { takes, afterMs: state.options.limits.closeMs })
  return leave(state, after(headerBefore(state), closed))
}

/** WS-43: an error needs a header of ours before it. */
function headerBefore(state: Live): readonly StreamOutput[] {
  const [first, second] = state.options.streamIds
  if (state.type === 'awaiting-open') return [writeOpen(first, null, null)]
  return state.type === 'restarting' ? [writeOpen(second, state.pair.local, state.pair.remote)] : NOTHING
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
    case 'established':
      return null
  }
}

/** WS-44: from the domain asked for where it is ours, else from nobody. */
function writeOpen(id: string, local: Domain | null, remote: Domain | null): StreamOutput {
  const addressed = remote === null ? { from: local ?? '' } : { from: local ?? '', to: remote }
  return { type: 'write', frame: openFrame({ ...addressed, id }) }
}

function writeFeatures({ limits }: ReceivingOptions, external: boolean): readonly StreamOutput[] {
  const { element, names } = featuresElement({ external, limits })
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

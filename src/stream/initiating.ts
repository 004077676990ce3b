import type { StreamHeader } from '../framing/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import { type DomainPair, type Failure, isViolation, NS, parseDomain, toRetry } from '../xmpp/index.ts'
import { answerClose, answerError, drop, gone, lost, stepClosing } from './closing.ts'
import { kindOf } from './elements.ts'
import { violated } from './errors.ts'
import { CLOSED_EARLY, NO_HEADER, NOT_AUTHENTICATED, NOTHING_IN_COMMON, redirectedTo } from './failures.ts'
import { NO_LIMITS, readFeatures } from './features.ts'
import { isUsable, versionFault } from './header.ts'
import { onDialback, showKey } from './initiating-dialback.ts'
import { onFeatures, onSasl } from './initiating-negotiate.ts'
import { onManage, onManagementTimeout, onSm } from './initiating-sm.ts'
import {
  type AwaitingOpen,
  common,
  type Established,
  fail,
  type InitiatingOptions,
  type InitiatingState,
  isManaged,
  type Live,
  leave,
  timerOf,
  writeOpen,
} from './initiating-state.ts'
import { onIdentity, onProceed, onSecured } from './initiating-tls.ts'
import type { Step, StreamInput, StreamOutput, StreamTimer } from './machine.ts'
import { after, arm, disarm, NOTHING, progressOpen } from './outputs.ts'
import { type Takes, takenStanza } from './pair-stanza.ts'

export type { InitiatingOptions, InitiatingState } from './initiating-state.ts'

export function startInitiating(options: InitiatingOptions): Step<InitiatingState> {
  const { peer, limits, policy } = options
  const fault = calleeFault(options)
  if (fault !== null) throw new TypeError(fault)
  return {
    state: {
      type: 'awaiting-open',
      options,
      unsolicited: 0,
      peer,
      secure: policy.secure,
      authenticated: null,
    },
    outputs: [writeOpen(options), arm('open', limits.openMs)],
  }
}

/** Nobody but a certificate proves a peer behind TLS, nor before STARTTLS where that is required (DB-42, SA-17). */
function calleeFault({ pair, peer, policy, starttls }: InitiatingOptions): string | null {
  if (typeof peer !== 'string')
    return peer.domain === pair.remote ? null : `the certificate proves ${peer.domain}, not ${pair.remote}`
  if (policy.secure) return `${peer} proves nobody behind TLS`
  return (peer === 'by-starttls') === (starttls === 'required') ? null : `${peer} where TLS is ${starttls}`
}

/** Advance the initiating side by one input. Pure; never throws on what a peer sends. */
export function stepInitiating(state: InitiatingState, input: StreamInput): Step<InitiatingState> {
  if (state.type === 'ended') return { state, outputs: NOTHING }
  if (state.type === 'closing') return stepClosing(state, input)
  switch (input.type) {
    case 'element':
      return onElement(state, input.element)
    case 'open':
      return onOpen(state, input.header)
    case 'close':
      return onClose(state, input.seeOtherUri)
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...input.violation })
    case 'identity':
      return state.type === 'awaiting-tls' ? onIdentity(state, input.verdict) : unmoved(state)
    case 'secured':
      return state.type === 'awaiting-tls' ? onSecured(state) : unmoved(state)
    case 'verification':
    case 'resumption':
      return unmoved(state)
    case 'manage':
      return onManage(state, input.how)
    case 'timeout':
      return onTimeout(state, input.timer)
    case 'end':
      return fail(state, input.failure)
    case 'transport-closed':
      return leave(state, gone(refusedAndClosed(state) ?? lost(input.failure)))
  }
}

function onOpen(state: Live, header: StreamHeader): Step<InitiatingState> {
  // WS-34: one stream at a time.
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const { options, authenticated } = state
  const { id } = header
  const outputs: StreamOutput[] = [progressOpen(id ?? '', options.pair)]
  if (authenticated === null) outputs.push(disarm('open'), arm('negotiation', options.limits.negotiationMs))
  const fault = headerFault(header, options.pair)
  const next = { ...common(state), type: 'awaiting-features', authenticated, header, fault } as const
  // COMPAT(jabberd2): without a version no features follow, and dialback is all there is.
  if (isOldDialback(state, header) && isUsable(id)) {
    const offered = { id, dialback: true, bidi: false, sm: false, limits: NO_LIMITS }
    return after(outputs, showKey(next, offered, NOTHING_IN_COMMON))
  }
  return { state: next, outputs }
}

function isOldDialback({ options, secure, authenticated }: AwaitingOpen, header: StreamHeader): boolean {
  const { dialback, starttls } = options
  if (dialback === undefined || secure || starttls === 'required') return false
  return authenticated === null && header.version === undefined && header.dialback
}

function headerFault(header: StreamHeader, { remote }: DomainPair): Failure | null {
  // ST-04: it speaks for the domain that we want, or we leave.
  if (parseDomain(header.from ?? '') !== remote)
    return violated('invalid-from', 'ST-04', 'a header from another domain than the one asked for')
  if (!isUsable(header.id)) return violated('bad-format', 'ST-03', 'a header without an id')
  return versionFault(header)
}

function onElement(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  if (state.type === 'established' && state.takes !== null && scanned.namespace === NS.server)
    return onStanza(state, state.takes, scanned)
  // RFC 6120 §5.4.3.3: what stands behind <proceed/> in the clear may be anybody's.
  if (state.type === 'awaiting-tls')
    return fail(state, violated('policy-violation', 'WS-64', 'an element between <proceed/> and TLS'))
  const kind = kindOf(scanned)
  if (kind === 'error') return onError(state, scanned)
  switch (state.type) {
    case 'awaiting-open':
      return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
    case 'awaiting-features':
      if (kind === 'features') return onFeatures(state, readFeatures(scanned.element()))
      return fail(state, violated('bad-format', 'WS-36', 'something else before the features'))
    case 'awaiting-proceed':
      if (kind === 'starttls') return onProceed(state, scanned)
      break
    case 'authenticating':
      if (kind === 'sasl') return onSasl(state, scanned)
      break
    case 'showing-key':
      break
    case 'established':
      // SE-31, ST-16: what is unknown or late changes nothing.
      if (kind === 'unknown' || kind === 'bidi' || kind === 'features' || kind === 'sasl')
        return unmoved(state)
      break
  }
  if (kind === 'dialback') return onDialback(state, scanned)
  if (kind === 'sm') return onSm(state, scanned)
  if (kind === 'stanza') {
    // ST-19: the peer's stanzas come on streams that it opens, where it has proven itself.
    return fail(state, violated('not-authorized', 'ST-19', 'a stanza on a stream of the other direction'))
  }
  return fail(state, violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here'))
}

/** The path of every stanza, on a stream that is bidi. */
function onStanza(state: Established, takes: Takes, scanned: ScannedElement): Step<InitiatingState> {
  const stanza = takenStanza(scanned, takes)
  if (!isViolation(stanza)) return { state, outputs: [{ type: 'stanza', stanza }] }
  return fail(state, { by: 'peer', kind: 'violation', ...stanza })
}

function onClose(state: Live, seeOtherUri: string | undefined): Step<InitiatingState> {
  if (state.type === 'awaiting-tls') return drop(CLOSED_EARLY)
  return leave(state, answerClose(closedBy(state, seeOtherUri), state.options.limits.closeMs))
}

/** What the peer's `<close/>` means to us: after `established`, an end in order. */
function closedBy(state: Live, seeOtherUri: string | undefined): Failure | null {
  if (state.type === 'established') return null
  if (seeOtherUri !== undefined) return redirectedTo(seeOtherUri)
  return refusedAndClosed(state) ?? CLOSED_EARLY
}

function onError(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const step = answerError(scanned, state.options.limits.closeMs, isManaged(state))
  const refused = refusedAndClosed(state)
  // What speaks for the domain (AM-34, SE-03) says more than the refusal.
  if (refused === null || step.state.failure === null || toRetry(step.state.failure) !== 'next')
    return leave(state, step)
  return leave(state, { ...step, state: { ...step.state, failure: refused } })
}

/** SA-14: SASL EXTERNAL was refused, and the stream on which a key of ours waits for its answer is over. */
function refusedAndClosed(state: Live): Failure | null {
  if (state.type !== 'showing-key' || state.refusal === null) return null
  const { refusal } = state
  return { ...refusal, detail: `${refusal.detail}; then it ended the stream`, retryWith: 'dialback' }
}

function onTimeout(state: Live, timer: StreamTimer): Step<InitiatingState> {
  if (timer !== timerOf(state)) return unmoved(state)
  if (state.type === 'established') return onManagementTimeout(state)
  return fail(state, timer === 'open' ? NO_HEADER : NOT_AUTHENTICATED)
}

function unmoved(state: Live): Step<InitiatingState> {
  return { state, outputs: NOTHING }
}

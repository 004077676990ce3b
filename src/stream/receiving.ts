import type { ScannedElement } from '../xml/index.ts'
import { isViolation, NS } from '../xmpp/index.ts'
import { answerClose, answerError, drop, gone, lost, stepClosing } from './closing.ts'
import { type ElementKind, kindOf } from './elements.ts'
import { violated } from './errors.ts'
import { CLOSED_EARLY, NO_HEADER, NOT_AUTHENTICATED } from './failures.ts'
import type { Step, StreamInput, StreamTimer } from './machine.ts'
import { arm, NOTHING } from './outputs.ts'
import { takenStanza } from './pair-stanza.ts'
import { onBidi } from './receiving-bidi.ts'
import { onDialback, onVerification } from './receiving-dialback.ts'
import { onIdentity, onOpen } from './receiving-open.ts'
import { onSasl } from './receiving-sasl.ts'
import { onResumption, onSm } from './receiving-sm.ts'
import {
  type AwaitingIdentity,
  type Established,
  fail,
  type Live,
  leave,
  type Negotiating,
  type ReceivingOptions,
  type ReceivingState,
  timerOf,
} from './receiving-state.ts'
import { onSecured, onStartTls } from './receiving-tls.ts'

export type { ReceivingOptions, ReceivingState } from './receiving-state.ts'

export function startReceiving(options: ReceivingOptions): Step<ReceivingState> {
  return {
    state: {
      type: 'awaiting-open',
      options,
      unsolicited: 0,
      inVain: 0,
      secure: options.policy.secure,
      certificate: options.peerCertificate,
      headers: 0,
      served: false,
      bidi: 'not-offered',
      sm: 'not-offered',
    },
    outputs: [arm('open', options.limits.openMs)],
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
      return state.type === 'awaiting-identity' ? onIdentity(state, input.verdict) : unmoved(state)
    case 'secured':
      return state.type === 'awaiting-tls' ? onSecured(state, input.peerCertificate) : unmoved(state)
    case 'verification':
      return onVerification(state, input, input.outcome)
    case 'manage':
      return unmoved(state)
    case 'resumption':
      return onResumption(state, input.h)
    case 'timeout':
      return onTimeout(state, input.timer)
    case 'end':
      // WS-31: nothing is written before the peer's header.
      return state.type === 'awaiting-open' ? leave(state, drop(input.failure)) : fail(state, input.failure)
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
      if (kind === 'starttls' && asksForTls(state, scanned)) return onStartTls(state)
      return onEarly(state, kind, scanned)
    case 'awaiting-tls':
      // RFC 6120 §5.4.3.3: what stands behind <starttls/> in the clear may be anybody's.
      return fail(state, violated('policy-violation', 'WS-64', 'an element between <starttls/> and TLS'))
    case 'established':
      if (kind === 'stanza') return onStanza(state, scanned)
      // SE-31: what is unknown changes nothing.
      return kind === 'unknown' || kind === 'sasl' ? unmoved(state) : onOther(state, kind, scanned)
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

function onOther(state: Live, kind: ElementKind, scanned: ScannedElement): Step<ReceivingState> {
  switch (kind) {
    case 'error':
      return leave(state, answerError(scanned, state.options.limits.closeMs, state.sm === 'on'))
    case 'dialback':
      return onDialback(state, scanned)
    case 'bidi':
      return onBidi(state, scanned)
    case 'sm':
      return onSm(state, scanned)
    case 'starttls':
      return fail(state, violated('unsupported-stanza-type', 'WS-65', 'STARTTLS, which is not offered'))
    default:
      return fail(state, violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here'))
  }
}

/** Where TLS would be a thing to agree on at all. */
function asksForTls({ options, secure }: Negotiating, { name }: ScannedElement): boolean {
  return name === 'starttls' && options.policy.name === 'tcp' && !secure
}

function onClose(state: Live): Step<ReceivingState> {
  // WS-31: there is nothing yet that could be closed.
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'a close before the header'))
  if (state.type === 'awaiting-tls') return drop(CLOSED_EARLY)
  const failure = state.type === 'established' || state.served ? null : CLOSED_EARLY
  return leave(state, answerClose(failure, state.options.limits.closeMs))
}

function onTimeout(state: Live, timer: StreamTimer): Step<ReceivingState> {
  if (timer !== timerOf(state)) return unmoved(state)
  // WS-56: a stream that was never begun has nobody to be told.
  if (state.type === 'awaiting-open') return leave(state, drop(NO_HEADER))
  return fail(state, timer === 'open' ? NO_HEADER : NOT_AUTHENTICATED)
}

function unmoved(state: Live): Step<ReceivingState> {
  return { state, outputs: NOTHING }
}

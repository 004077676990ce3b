import type { IdentityVerdict } from '../identity/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import { drop } from './closing.ts'
import { TLS_REFUSED, WRONG_VERDICT } from './failures.ts'
import {
  type AwaitingFeatures,
  type AwaitingProceed,
  type AwaitingTls,
  common,
  fail,
  type InitiatingState,
  writeOpen,
} from './initiating-state.ts'
import type { Step } from './machine.ts'
import { arm, disarm, writeElement } from './outputs.ts'
import { STARTTLS } from './starttls.ts'

// STARTTLS (RFC 6120 §5), on a wire that does not begin with TLS.

export function askForTls(state: AwaitingFeatures): Step<InitiatingState> {
  return {
    state: { ...common(state), type: 'awaiting-proceed' },
    outputs: [{ type: 'progress', step: { name: 'starttls' } }, writeElement(STARTTLS)],
  }
}

export function onProceed(state: AwaitingProceed, scanned: ScannedElement): Step<InitiatingState> {
  if (scanned.name !== 'proceed') return fail(state, TLS_REFUSED)
  return {
    // RFC 6120 §5.4.3.3: what was said so far may have been anybody's; it is forgotten.
    state: { ...common(state), type: 'awaiting-tls' },
    outputs: [disarm('negotiation'), { type: 'restart' }, { type: 'start-tls', pair: state.options.pair }],
  }
}

export function onSecured(state: AwaitingTls): Step<InitiatingState> {
  return { state, outputs: [{ type: 'need-identity', claimed: state.options.pair.remote }] }
}

export function onIdentity(state: AwaitingTls, verdict: IdentityVerdict): Step<InitiatingState> {
  const { options } = state
  // Nothing is said to whom TLS has not proven.
  if (!verdict.ok) {
    const { reason, detail } = verdict
    return drop({ by: 'peer', kind: 'identity', reason, detail })
  }
  if (verdict.domain !== options.pair.remote) return drop(WRONG_VERDICT)
  return {
    state: { ...common(state), type: 'awaiting-open', peer: verdict, secure: true, authenticated: null },
    outputs: [writeOpen(options), arm('open', options.limits.openMs)],
  }
}

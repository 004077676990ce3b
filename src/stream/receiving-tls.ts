import type { Step } from './machine.ts'
import { after, arm, disarm, writeElement } from './outputs.ts'
import { type AwaitingTls, common, fail, type Negotiating, type ReceivingState } from './receiving-state.ts'
import { PROCEED, TLS_FAILURE } from './starttls.ts'

// STARTTLS (RFC 6120 §5), on a wire that can do it and has not yet.

/** COMPAT(Prosody): a server that requires TLS asks for it also where it is not offered. */
export function onStartTls(state: Negotiating): Step<ReceivingState> {
  const { options, pair } = state
  const { starttls = 'never' } = options
  // RFC 6120 §5.4.2.2: the failure, then the close.
  if (starttls === 'never' || pair === null) return after([writeElement(TLS_FAILURE)], fail(state, null))
  return {
    // RFC 6120 §5.4.3.3: what was said so far may have been anybody's; it is forgotten.
    state: { ...common(state), type: 'awaiting-tls', bidi: 'not-offered', sm: 'not-offered' },
    outputs: [
      disarm('negotiation'),
      { type: 'progress', step: { name: 'starttls' } },
      writeElement(PROCEED),
      { type: 'restart' },
      { type: 'start-tls', pair },
    ],
  }
}

export function onSecured(state: AwaitingTls, peerCertificate: boolean): Step<ReceivingState> {
  return {
    state: { ...common(state), type: 'awaiting-open', secure: true, certificate: peerCertificate },
    outputs: [arm('open', state.options.limits.openMs)],
  }
}

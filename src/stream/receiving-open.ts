import type { StreamHeader } from '../framing/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { Domain, Failure } from '../xmpp/index.ts'
import { close, redirect } from './closing.ts'
import { violated } from './errors.ts'
import { NO_CERTIFICATE, NO_FROM, NO_TLS, OTHER_FROM, OTHER_TO, WRONG_VERDICT } from './failures.ts'
import { isLegacy, judgeHeader } from './header.ts'
import type { Step, StreamOutput } from './machine.ts'
import { after, arm, disarm, progressOpen } from './outputs.ts'
import { proveByExternal } from './proof.ts'
import {
  type AwaitingIdentity,
  type AwaitingOpen,
  agreed,
  common,
  established,
  fail,
  type Live,
  leave,
  negotiating,
  nextId,
  offer,
  offersSm,
  type ReceivingState,
  type Restarting,
  writeFeatures,
  writeOpen,
} from './receiving-state.ts'

// The peer's headers, and what we answer: our header, the verdict on its certificate, the features.

export function onOpen(state: Live, header: StreamHeader): Step<ReceivingState> {
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
  const pair = to === null || from === null ? null : { local: to, remote: from }
  const opened = [writeOpen(state, to, from, legacy)]
  if (pair !== null) opened.push(progressOpen(nextId(state), pair))
  // WS-43: whatever is wrong, the header comes first.
  if (refusal !== null) return leave(state, after(opened, close(refusal, { afterMs: limits.closeMs })))
  const outputs: StreamOutput[] = [disarm('open'), arm('negotiation', limits.negotiationMs), ...opened]
  const next = { ...common(state), headers: state.headers + 1 }
  // COMPAT(jabberd2): features would confuse it, and dialback is all it has.
  if (legacy) return { state: negotiating(next, pair, null), outputs }
  if (pair !== null && state.secure && state.certificate)
    return {
      state: { ...next, type: 'awaiting-identity', pair },
      outputs: [...outputs, { type: 'need-identity', claimed: pair.remote }],
    }
  return after(outputs, offer(next, pair, null))
}

/** Why nothing that we do could prove the peer (ST-05). */
function refuseUnprovable(
  { options, secure, certificate }: AwaitingOpen,
  from: Domain | null,
): Failure | null {
  const { dialback, starttls = 'never' } = options
  if (dialback !== undefined) return null
  if (!secure && starttls !== 'never') return null
  if (from === null) return NO_FROM
  if (!secure) return NO_TLS
  return certificate ? null : NO_CERTIFICATE
}

export function onIdentity(state: AwaitingIdentity, verdict: IdentityVerdict): Step<ReceivingState> {
  const { options, pair } = state
  if (!verdict.ok) {
    const { reason, detail } = verdict
    if (options.dialback === undefined) return fail(state, { by: 'peer', kind: 'identity', reason, detail })
    // DECISIONS 9: else dialback.
    return offer(common(state), pair, null)
  }
  // A verdict about somebody else would be a defect of ours; it proves nothing here.
  if (verdict.domain !== pair.remote) return fail(state, WRONG_VERDICT)
  return offer(common(state), pair, verdict)
}

/** WS-40: a new id, new features, and the same two domains as before (ST-18). */
function onSecondOpen(state: Restarting, header: StreamHeader): Step<ReceivingState> {
  const { options, pair, peer } = state
  const { to, from, fault } = judgeHeader(header, options)
  const opened = [writeOpen(state, to, from, false), progressOpen(nextId(state), pair)]
  const refusal = fault ?? (from !== pair.remote ? OTHER_FROM : to !== pair.local ? OTHER_TO : null)
  if (refusal !== null)
    return leave(state, after(opened, close(refusal, { afterMs: options.limits.closeMs })))
  const proof = proveByExternal(peer)
  const sm = offersSm(state, true) ? 'offered' : 'not-offered'
  const next = { ...common(state), headers: state.headers + 1, sm } as const
  return {
    state: established(next, [pair], { verifying: [], certified: true }),
    outputs: [
      disarm('open'),
      ...opened,
      ...writeFeatures(state, { external: false, authenticated: true }),
      agreed(next, pair, proof),
    ],
  }
}

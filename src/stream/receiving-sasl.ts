import type { ScannedElement } from '../xml/index.ts'
import { violated } from './errors.ts'
import { WRONG_VERDICT } from './failures.ts'
import type { Step, StreamOutput } from './machine.ts'
import { arm, authenticating, disarm, NOTHING, writeElement } from './outputs.ts'
import { common, fail, type Negotiating, type ReceivingState } from './receiving-state.ts'
import { answerSasl, EXTERNAL } from './sasl-external.ts'

/** SASL EXTERNAL: whoever the certificate proves says as whom it comes. */
export function onSasl(state: Negotiating, scanned: ScannedElement): Step<ReceivingState> {
  const { options, pair, peer } = state
  const answer = answerSasl(scanned, peer?.domain ?? null, state.challenged)
  if (answer === null)
    return fail(state, violated('unsupported-stanza-type', 'SE-24', 'a SASL element that has no place here'))
  const attempts = answer.isAttempt ? state.attempts + 1 : state.attempts
  if (attempts > options.limits.saslAttempts)
    return fail(state, violated('policy-violation', 'SA-13', 'too many attempts to authenticate'))
  const begins: readonly StreamOutput[] = state.attempts === 0 ? [authenticating(EXTERNAL)] : NOTHING
  const written = writeElement(answer.element)
  if (answer.type === 'challenge')
    return { state: { ...state, challenged: true, attempts }, outputs: [...begins, written] }
  // SA-13: the stream stays usable.
  if (answer.type === 'failure')
    return { state: { ...state, challenged: false, attempts }, outputs: [written] }
  // Nobody was judged without a pair, nor succeeds without a verdict.
  if (pair === null || peer === null) return fail(state, WRONG_VERDICT)
  return {
    state: { ...common(state), type: 'restarting', pair, peer },
    outputs: [
      ...begins,
      disarm('negotiation'),
      written,
      { type: 'restart' },
      arm('open', options.limits.openMs),
    ],
  }
}

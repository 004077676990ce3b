import type { ScannedElement } from '../xml/index.ts'
import type { Step } from './machine.ts'
import { NOTHING, writeElement } from './outputs.ts'
import { type Established, fail, type Live, type ReceivingState } from './receiving-state.ts'
import {
  acknowledging,
  enabledElement,
  isResumable,
  readHandled,
  refusal,
  resumedElement,
  UNEXPECTED,
} from './sm.ts'

// Stream management (XEP-0198), as who is asked for it.

export function onSm(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  const read = acknowledging(scanned, state.sm === 'on')
  if (read !== null)
    return 'rule' in read ? fail(state, { by: 'peer', kind: 'violation', ...read }) : { state, outputs: read }
  switch (scanned.name) {
    case 'enable':
    case 'resume':
      // SM-02: not before the peer is proven.
      return state.type === 'established' ? onRequest(state, scanned) : { state, outputs: UNEXPECTED }
    default: // SE-31
      return { state, outputs: NOTHING }
  }
}

/** SM-02: one of them succeeds, once; where a resumption fails a new one may follow. */
function onRequest(state: Established, scanned: ScannedElement): Step<ReceivingState> {
  const { options, sm } = state
  if (sm === 'not-offered' || options.sm === undefined) return { state, outputs: NOT_HERE }
  if (sm !== 'offered') return { state, outputs: UNEXPECTED }
  const { id, maxSeconds } = options.sm
  const canResume = maxSeconds > 0
  if (scanned.name === 'resume') return canResume ? onResume(state, scanned) : { state, outputs: NOT_HERE }
  const management =
    canResume && isResumable(scanned)
      ? ({ type: 'enabled', id, maxSeconds } as const)
      : ({ type: 'enabled', id: null, maxSeconds: null } as const)
  return {
    state: { ...state, sm: 'on' },
    outputs: [writeElement(enabledElement(management)), { type: 'managed', management }],
  }
}

/** XEP-0198 §5 */
const NOT_HERE = refusal('feature-not-implemented')

function onResume(state: Established, scanned: ScannedElement): Step<ReceivingState> {
  const h = readHandled(scanned)
  if (typeof h !== 'number') return fail(state, { by: 'peer', kind: 'violation', ...h })
  const previd = scanned.attribute('previd') ?? ''
  return {
    state: { ...state, sm: { previd, h } },
    outputs: [{ type: 'need-resumption', previd, h }],
  }
}

/** SM-08: whether there is such a thing, and of this very pair, only the caller knows. */
export function onResumption(state: Live, handled: number | null): Step<ReceivingState> {
  const { sm } = state
  if (typeof sm === 'string') return { state, outputs: NOTHING }
  if (handled === null) return { state: { ...state, sm: 'offered' }, outputs: NOT_FOUND }
  return {
    state: { ...state, sm: 'on' },
    outputs: [
      writeElement(resumedElement(sm.previd, handled)),
      { type: 'managed', management: { type: 'resumed', h: sm.h } },
    ],
  }
}

const NOT_FOUND = refusal('item-not-found')

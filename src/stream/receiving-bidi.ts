import type { ScannedElement } from '../xml/index.ts'
import { readBidi } from './bidi.ts'
import type { Step } from './machine.ts'
import { NOTHING } from './outputs.ts'
import type { Live, ReceivingState } from './receiving-state.ts'

/** BI-02: in either namespace. BI-04: only what was offered can be asked for, before authentication or after; and once. */
export function onBidi(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  if (state.bidi !== 'offered' || scanned.name !== 'bidi') return { state, outputs: NOTHING }
  const peerLimits = readBidi(scanned.element())
  return {
    state: { ...state, bidi: peerLimits },
    outputs: state.type === 'established' ? [{ type: 'bidi', peerLimits }] : NOTHING,
  }
}

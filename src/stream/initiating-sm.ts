import type { ScannedElement } from '../xml/index.ts'
import type { Violation } from '../xmpp/index.ts'
import { type Established, fail, type InitiatingState, isManaged, type Live } from './initiating-state.ts'
import type { Manage, Step } from './machine.ts'
import { arm, disarm, NOTHING, writeElement } from './outputs.ts'
import {
  acknowledging,
  enableElement,
  readEnabled,
  readFailed,
  readHandled,
  resumeElement,
  UNEXPECTED,
} from './sm.ts'

// Stream management (XEP-0198), as who asks for it.

/** The caller wants it. */
export function onManage(state: Live, how: Manage): Step<InitiatingState> {
  if (state.type !== 'established' || typeof state.sm === 'string' || state.sm.type !== 'available')
    return { state, outputs: NOTHING }
  const { isLate } = state.sm
  if (how.type === 'enable') {
    const { resume } = how
    return {
      state: { ...state, sm: { type: 'enabling', resume, isLate } },
      outputs: [writeElement(enableElement(resume)), arm('management', state.options.limits.enableMs)],
    }
  }
  const { previd, h } = how
  return {
    state: { ...state, sm: { type: 'resuming', previd } },
    outputs: [writeElement(resumeElement(previd, h)), arm('management', state.options.limits.enableMs)],
  }
}

export function onSm(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const read = acknowledging(scanned, isManaged(state))
  if (read !== null) return 'rule' in read ? refuse(state, read) : { state, outputs: read }
  switch (scanned.name) {
    case 'enable':
    case 'resume': // SM-02: only who has opened the stream asks.
      return { state, outputs: UNEXPECTED }
    case 'enabled':
    case 'resumed':
    case 'failed':
      return state.type === 'established' ? onAnswer(state, scanned) : { state, outputs: NOTHING }
    default: // SE-31
      return { state, outputs: NOTHING }
  }
}

/** What nobody has asked for changes nothing. */
function onAnswer(state: Established, scanned: ScannedElement): Step<InitiatingState> {
  const { sm } = state
  if (typeof sm === 'string') return { state, outputs: NOTHING }
  if (sm.type === 'resuming') return onResumeAnswer(state, sm.previd, scanned)
  // Answers come in the order of the questions: this one is that of a resumption.
  if (sm.isLate && scanned.name !== 'enabled')
    return { state: { ...state, sm: { ...sm, isLate: false } }, outputs: NOTHING }
  if (sm.type === 'available' || scanned.name === 'resumed') return { state, outputs: NOTHING }
  return onEnableAnswer(state, sm.resume, scanned)
}

function onEnableAnswer(state: Established, resume: boolean, scanned: ScannedElement): Step<InitiatingState> {
  if (scanned.name === 'failed') {
    const failed = readFailed(scanned)
    if ('rule' in failed) return refuse(state, failed)
    return {
      state: { ...state, sm: 'unavailable' },
      outputs: [disarm('management'), { type: 'managed', management: { ...failed, h: null } }],
    }
  }
  const enabled = readEnabled(scanned)
  const management = resume ? enabled : { ...enabled, id: null }
  return {
    state: { ...state, sm: 'on' },
    outputs: [disarm('management'), { type: 'managed', management }],
  }
}

function onResumeAnswer(state: Established, previd: string, scanned: ScannedElement): Step<InitiatingState> {
  switch (scanned.name) {
    case 'resumed': {
      if (scanned.attribute('previd') !== previd) return refuse(state, RESUMED_OTHER)
      const h = readHandled(scanned)
      if (typeof h !== 'number') return refuse(state, h)
      return {
        state: { ...state, sm: 'on' },
        outputs: [disarm('management'), { type: 'managed', management: { type: 'resumed', h } }],
      }
    }
    case 'failed': {
      const failed = readFailed(scanned)
      if ('rule' in failed) return refuse(state, failed)
      return {
        state: { ...state, sm: { type: 'available', isLate: false } },
        outputs: [disarm('management'), { type: 'managed', management: failed }],
      }
    }
    default:
      return { state, outputs: NOTHING }
  }
}

const RESUMED_OTHER: Violation = Object.freeze({
  condition: 'bad-format',
  rule: 'SM-08',
  detail: 'it resumed another stream than the one asked for',
})

/**
 * The peer leaves us without an answer. What was to be resumed does not go on here; what was to begin does not, and an answer
 * that comes after all changes nothing.
 */
export function onManagementTimeout(state: Established): Step<InitiatingState> {
  const isResuming = typeof state.sm !== 'string' && state.sm.type === 'resuming'
  return {
    state: { ...state, sm: isResuming ? { type: 'available', isLate: true } : 'unavailable' },
    outputs: [
      { type: 'managed', management: { type: 'failed', h: null, condition: 'remote-server-timeout' } },
    ],
  }
}

function refuse(state: Live, violation: Violation): Step<InitiatingState> {
  return fail(state, { by: 'peer', kind: 'violation', ...violation })
}

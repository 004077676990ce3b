import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import type { Failure } from '../xmpp/index.ts'
import {
  answerClose,
  answerError,
  type Closing,
  close,
  type Ended,
  gone,
  lost,
  stepClosing,
} from './closing.ts'
import {
  type DialbackOutcome,
  readDialback,
  UNSOLICITED,
  UNSOLICITED_MAX,
  verifyElement,
} from './dialback.ts'
import { kindOf } from './elements.ts'
import { violated } from './errors.ts'
import { CLOSED_EARLY, NO_HEADER, redirectedTo, UNVERIFIED } from './failures.ts'
import { openFrame } from './header.ts'
import type { Step, StreamInput, StreamTimer, Verification } from './machine.ts'
import { after, arm, disarm, NOTHING, writeElement } from './outputs.ts'

/** `pair.local` was shown the key, `pair.remote` is said to have made it; `id` is of the stream on which it was shown (DB-11). */
export interface VerifyingOptions extends Verification {
  /** what says, for the log, who has answered */
  readonly evidence: string
  readonly limits: Pick<Limits, 'openMs' | 'negotiationMs' | 'closeMs'>
}

export type VerifyingState = AwaitingOpen | AwaitingFeatures | Asking | Closing | Ended

interface Common {
  readonly options: VerifyingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
}

interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
}

interface AwaitingFeatures extends Common {
  readonly type: 'awaiting-features'
}

interface Asking extends Common {
  readonly type: 'asking'
}

type Live = AwaitingOpen | AwaitingFeatures | Asking

/** A stream for one question only (PROTOCOL E.3, verify half): nothing is authenticated on it, no stanza passes. */
export function startVerifying(options: VerifyingOptions): Step<VerifyingState> {
  const { pair, limits } = options
  const frame = openFrame({ from: pair.local, to: pair.remote }, { dialback: true })
  return {
    state: { type: 'awaiting-open', options, unsolicited: 0 },
    outputs: [{ type: 'write', frame }, arm('open', limits.openMs)],
  }
}

/** Advance by one input. Pure; never throws on what a peer sends. `verified` comes once at most, ahead of the end. */
export function stepVerifying(state: VerifyingState, input: StreamInput): Step<VerifyingState> {
  if (state.type === 'ended') return { state, outputs: NOTHING }
  if (state.type === 'closing') return stepClosing(state, input)
  const { closeMs } = state.options.limits
  switch (input.type) {
    case 'open':
      return onOpen(state, input.header)
    case 'element':
      return onElement(state, input.element)
    case 'close': {
      const { seeOtherUri } = input
      return leave(
        state,
        answerClose(seeOtherUri === undefined ? CLOSED_EARLY : redirectedTo(seeOtherUri), closeMs),
      )
    }
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...input.violation })
    case 'timeout':
      if (input.timer !== timerOf(state)) return { state, outputs: NOTHING }
      return fail(state, input.timer === 'open' ? NO_HEADER : UNVERIFIED)
    case 'end':
      return fail(state, input.failure)
    case 'transport-closed':
      return leave(state, gone(lost(input.failure)))
    case 'secured':
    case 'identity':
    case 'verification':
    case 'manage':
    case 'resumption':
      return { state, outputs: NOTHING }
  }
}

function onOpen(state: Live, header: StreamHeader): Step<VerifyingState> {
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const timers = [disarm('open'), arm('negotiation', state.options.limits.negotiationMs)]
  // COMPAT(jabberd2): without a version no features follow.
  if (header.version === undefined) return after(timers, ask(state))
  return { state: { ...state, type: 'awaiting-features' }, outputs: timers }
}

function ask(state: Common): Step<VerifyingState> {
  return { state: { ...state, type: 'asking' }, outputs: [writeElement(verifyElement(state.options))] }
}

function onElement(state: Live, scanned: ScannedElement): Step<VerifyingState> {
  const { options } = state
  const kind = kindOf(scanned)
  if (kind === 'error') return leave(state, answerError(scanned, options.limits.closeMs))
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
  if (state.type === 'awaiting-features' && kind === 'features') return ask(state)
  if (kind === 'stanza')
    return fail(state, violated('not-authorized', 'ST-17', 'a stanza on a stream that asks'))
  return kind === 'dialback' ? onDialback(state, scanned) : { state, outputs: NOTHING }
}

/** DB-40: the answer to exactly what we have asked here, and no other. */
function onDialback(state: AwaitingFeatures | Asking, scanned: ScannedElement): Step<VerifyingState> {
  const { options } = state
  const { pair, id, evidence } = options
  const read = readDialback(scanned)
  if (read.kind === 'violation') return fail(state, { by: 'peer', kind: 'violation', ...read.violation })
  if (read.kind === 'request') return { state, outputs: NOTHING }
  const isAnswer = state.type === 'asking' && read.name === 'verify' && read.id === id
  if (!isAnswer || read.pair?.local !== pair.local || read.pair.remote !== pair.remote)
    return onUnsolicited(state)
  const outcome: DialbackOutcome =
    read.type === 'valid'
      ? { type: 'valid', evidence }
      : read.type === 'invalid'
        ? { type: 'invalid' }
        : { type: 'error', condition: 'remote-server-not-found' } // DB-27
  const ended = fail(state, null)
  return { state: ended.state, outputs: [{ type: 'verified', outcome }, ...ended.outputs] }
}

function onUnsolicited(state: AwaitingFeatures | Asking): Step<VerifyingState> {
  const unsolicited = state.unsolicited + 1
  if (unsolicited < UNSOLICITED_MAX) return { state: { ...state, unsolicited }, outputs: NOTHING }
  return fail(state, { by: 'peer', kind: 'violation', ...UNSOLICITED })
}

function fail(state: Live, failure: Failure | null): Step<VerifyingState> {
  return leave(state, close(failure, { afterMs: state.options.limits.closeMs }))
}

function leave(state: Live, step: Step<Closing | Ended>): Step<VerifyingState> {
  return after([disarm(timerOf(state))], step)
}

function timerOf(state: Live): StreamTimer {
  return state.type === 'awaiting-open' ? 'open' : 'negotiation'
}

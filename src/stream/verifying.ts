import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { Element, ScannedElement } from '../xml/index.ts'
import type { DomainPair, Failure } from '../xmpp/index.ts'
import {
  answerClose,
  answerError,
  type Closing,
  close,
  type Ended,
  gone,
  lost,
  NOTHING,
  stepClosing,
} from './closing.ts'
import { type DialbackOutcome, readDialback, verifyElement } from './dialback.ts'
import { kindOf } from './elements.ts'
import { violated } from './errors.ts'
import { CLOSED_EARLY, NO_HEADER, UNVERIFIED } from './failures.ts'
import { openFrame } from './header.ts'
import type { Step, StreamInput, StreamOutput, StreamTimer } from './machine.ts'

export interface VerifyingOptions {
  /** `local` was shown the key, `remote` is said to have made it */
  readonly pair: DomainPair
  /** of the stream on which the key was shown (DB-11) */
  readonly id: string
  readonly key: string
  /** what says, for the log, who has answered */
  readonly evidence: string
  readonly limits: Pick<Limits, 'openMs' | 'negotiationMs' | 'closeMs'>
}

export type VerifyingState = AwaitingOpen | AwaitingFeatures | Asking | Closing | Ended

interface AwaitingOpen {
  readonly type: 'awaiting-open'
  readonly options: VerifyingOptions
}

interface AwaitingFeatures {
  readonly type: 'awaiting-features'
  readonly options: VerifyingOptions
}

interface Asking {
  readonly type: 'asking'
  readonly options: VerifyingOptions
}

type Live = AwaitingOpen | AwaitingFeatures | Asking

/** A stream for one question only (PROTOCOL E.3, verify half): nothing is authenticated on it, no stanza passes. */
export function startVerifying(options: VerifyingOptions): Step<VerifyingState> {
  const { pair, limits } = options
  const frame = openFrame({ from: pair.local, to: pair.remote }, { dialback: true })
  return {
    state: { type: 'awaiting-open', options },
    outputs: [
      { type: 'write', frame },
      { type: 'timer', timer: 'open', afterMs: limits.openMs },
    ],
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
    case 'close':
      return leave(state, answerClose(CLOSED_EARLY, closeMs))
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
      return { state, outputs: NOTHING }
  }
}

function onOpen(state: Live, header: StreamHeader): Step<VerifyingState> {
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const { options } = state
  const timers: readonly StreamOutput[] = [
    { type: 'timer', timer: 'open', afterMs: null },
    { type: 'timer', timer: 'negotiation', afterMs: options.limits.negotiationMs },
  ]
  // COMPAT(jabberd2): without a version no features follow.
  if (header.version === undefined) return ask(options, timers)
  return { state: { type: 'awaiting-features', options }, outputs: timers }
}

function ask(options: VerifyingOptions, before: readonly StreamOutput[]): Step<VerifyingState> {
  const { pair, id, key } = options
  return {
    state: { type: 'asking', options },
    outputs: [...before, writeElement(verifyElement(pair, id, key))],
  }
}

function onElement(state: Live, scanned: ScannedElement): Step<VerifyingState> {
  const { options } = state
  const kind = kindOf(scanned)
  if (kind === 'error') return leave(state, answerError(scanned, options.limits.closeMs))
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
  if (state.type === 'awaiting-features' && kind === 'features') return ask(options, NOTHING)
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
  const isAnswer = state.type === 'asking' && read.kind === 'answer' && read.name === 'verify'
  if (!isAnswer || read.id !== id) return { state, outputs: NOTHING }
  if (read.pair?.local !== pair.local || read.pair.remote !== pair.remote) return { state, outputs: NOTHING }
  const outcome: DialbackOutcome =
    read.type === 'valid'
      ? { type: 'valid', evidence }
      : read.type === 'invalid'
        ? { type: 'invalid' }
        : { type: 'error', condition: 'remote-server-not-found' } // DB-27
  const ended = fail(state, null)
  return { state: ended.state, outputs: [{ type: 'verified', outcome }, ...ended.outputs] }
}

function fail(state: Live, failure: Failure | null): Step<VerifyingState> {
  return leave(state, close(failure, { afterMs: state.options.limits.closeMs }))
}

function leave(state: Live, step: Step<Closing | Ended>): Step<VerifyingState> {
  return {
    state: step.state,
    outputs: [{ type: 'timer', timer: timerOf(state), afterMs: null }, ...step.outputs],
  }
}

function timerOf(state: Live): StreamTimer {
  return state.type === 'awaiting-open' ? 'open' : 'negotiation'
}

function writeElement(element: Element): StreamOutput {
  return { type: 'write', frame: { type: 'element', element } }
}

import type { ScannedElement } from '../xml/index.ts'
import { type Failure, isViolation, NS, toStreamError } from '../xmpp/index.ts'
import { errorElement, readError } from './errors.ts'
import type { Step, StreamInput, StreamOutput } from './machine.ts'
import { NOTHING } from './outputs.ts'
import { type Takes, takenStanza } from './pair-stanza.ts'
import { lastAck } from './sm.ts'

/** Our `<close/>` is written; nothing more is. */
export interface Closing {
  readonly type: 'closing'
  readonly failure: Failure | null
  /** the peer's `<close/>`; or, as it has come, the end of the transport, which is the first closer's to begin (WS-46) */
  readonly awaits: 'close' | 'transport'
  /** whose stanzas are taken until the peer's close (WS-45); null: nobody's */
  readonly takes: Takes | null
  /** stream management is on: what the peer acknowledges until its close is heard (SM-05) */
  readonly managed: boolean
}

export interface Ended {
  readonly type: 'ended'
}

type CloseCode = Extract<StreamOutput, { type: 'close-transport' }>['code']

const ENDED: Ended = { type: 'ended' }
const CLOSE: StreamOutput = { type: 'write', frame: { type: 'close' } }
const CLOSING: StreamOutput = { type: 'progress', step: { name: 'closing' } }

/**
 * End a stream whose header we have written: the error that tells of `failure`, where there is one, then close. Where
 * the peer is not to blame, its own close is awaited, and what it sends until then is taken from `takes`.
 * @param isTold the peer has been told in other words, so no error follows
 */
export function close(
  failure: Failure | null,
  {
    takes = null,
    managed = false,
    isTold = false,
    afterMs,
  }: {
    readonly takes?: Takes | null
    readonly managed?: boolean
    readonly isTold?: boolean
    readonly afterMs: number
  },
): Step<Closing | Ended> {
  const outputs: StreamOutput[] = [CLOSING]
  const told = failure === null || isTold ? null : toStreamError(failure)
  // WS-42: the error, the close, and then the transport.
  if (told !== null) outputs.push({ type: 'write', frame: { type: 'element', element: errorElement(told) } })
  outputs.push(CLOSE)
  if (!isOrderly(failure)) {
    outputs.push(closeTransport(failure), { type: 'ended', failure })
    return { state: ENDED, outputs }
  }
  outputs.push({ type: 'timer', timer: 'close', afterMs })
  return { state: { type: 'closing', failure, awaits: 'close', takes, managed }, outputs }
}

/** The peer has sent its `<close/>` first: ours follows, and it ends the transport. */
export function answerClose(failure: Failure | null, afterMs: number): Step<Closing> {
  const outputs: StreamOutput[] = [CLOSING, CLOSE, { type: 'timer', timer: 'close', afterMs }]
  return { state: { type: 'closing', failure, awaits: 'transport', takes: null, managed: false }, outputs }
}

/** The peer has sent a stream error: its close will follow. WS-51: no error in answer to an error. */
export function answerError(error: ScannedElement, afterMs: number, managed = false): Step<Closing> {
  const outputs: StreamOutput[] = [CLOSING, CLOSE, { type: 'timer', timer: 'close', afterMs }]
  const failure = readError(error.element())
  return { state: { type: 'closing', failure, awaits: 'close', takes: null, managed }, outputs }
}

/** A redirect in the place of our header, where the operator wants one (WS-53). */
export function redirect(uri: string, afterMs: number): Step<Closing> {
  const frame = { type: 'close', seeOtherUri: uri } as const
  const outputs: StreamOutput[] = [
    CLOSING,
    { type: 'write', frame },
    { type: 'timer', timer: 'close', afterMs },
  ]
  return { state: { type: 'closing', failure: null, awaits: 'close', takes: null, managed: false }, outputs }
}

/** Nothing can be said any more: the transport is gone. */
export function gone(failure: Failure): Step<Ended> {
  return { state: ENDED, outputs: [CLOSING, { type: 'ended', failure }] }
}

/** Nothing can be said, since there is no stream: the transport alone ends, and its code tells (WS-48). */
export function drop(failure: Failure | null): Step<Ended> {
  const told = failure === null ? null : toStreamError(failure)
  const code = codeOf(failure)
  const closing: StreamOutput = {
    type: 'close-transport',
    code: told !== null && code === 1000 ? 1008 : code,
    reason: told?.condition ?? '',
  }
  return { state: ENDED, outputs: [CLOSING, closing, { type: 'ended', failure }] }
}

export function stepClosing(state: Closing, input: StreamInput): Step<Closing | Ended> {
  switch (input.type) {
    case 'close':
      return state.awaits === 'close' ? finish(state.failure) : { state, outputs: NOTHING }
    case 'element':
      return onElement(state, input.element)
    case 'violation':
      // The codec is at its end: the peer's close could not be read any more.
      return state.awaits === 'close'
        ? finish(state.failure ?? { by: 'peer', kind: 'violation', ...input.violation })
        : { state, outputs: NOTHING }
    case 'timeout':
      if (input.timer !== 'close') return { state, outputs: NOTHING }
      return finish(state.failure ?? (state.awaits === 'close' ? UNANSWERED : UNENDED))
    case 'transport-closed':
      return {
        state: ENDED,
        outputs: [{ type: 'ended', failure: state.failure ?? lossOf(state, input.failure) }],
      }
    case 'open':
    case 'identity':
    case 'secured':
    case 'verification':
    case 'manage':
    case 'resumption':
    case 'end':
      return { state, outputs: NOTHING }
  }
}

/** WS-47: whatever the transport says of itself, without a close it is no end in order. */
export function lost(failure: Failure | null): Failure {
  return failure ?? { by: 'network', kind: 'closed', detail: 'the connection ended without <close/>' }
}

/** Ends in which nobody is to blame, so that what is under way should arrive. */
export function isOrderly(failure: Failure | null): boolean {
  if (failure === null) return true
  return (
    failure.by === 'us' &&
    (failure.kind === 'shutdown' || failure.kind === 'idle' || failure.kind === 'aborted')
  )
}

function onElement(state: Closing, scanned: ScannedElement): Step<Closing | Ended> {
  if (state.awaits === 'close') {
    if (scanned.name === 'error' && scanned.namespace === NS.stream) {
      const failure = state.failure ?? readError(scanned.element())
      return { state: { ...state, failure, takes: null }, outputs: NOTHING }
    }
    if (state.managed && scanned.namespace === NS.sm) return { state, outputs: lastAck(scanned) }
    // What may not be said is dropped: nothing can be answered any more.
    const stanza = state.takes === null ? null : takenStanza(scanned, state.takes)
    if (stanza !== null && !isViolation(stanza)) return { state, outputs: [{ type: 'stanza', stanza }] }
  }
  return { state, outputs: NOTHING }
}

function lossOf(state: Closing, failure: Failure | null): Failure | null {
  return state.awaits === 'close' ? lost(failure) : failure
}

function finish(failure: Failure | null): Step<Ended> {
  return { state: ENDED, outputs: [closeTransport(failure), { type: 'ended', failure }] }
}

function closeTransport(failure: Failure | null): StreamOutput {
  return { type: 'close-transport', code: codeOf(failure), reason: '' }
}

/** WS-48, WS-49, WS-52. The XMPP error has said the rest. */
function codeOf(failure: Failure | null): CloseCode {
  if (failure === null) return 1000
  if (failure.by === 'us' && failure.kind === 'shutdown') return 1001
  const isTooBig =
    failure.by === 'peer' && failure.kind === 'violation' && failure.application === 'stanza-too-big'
  return isTooBig ? 1009 : 1000
}

const UNANSWERED: Failure = { by: 'network', kind: 'timeout', detail: 'the peer did not answer our <close/>' }
// What we wrote last may not have been read, then.
const UNENDED: Failure = {
  by: 'network',
  kind: 'timeout',
  detail: 'the peer did not end the connection after its <close/>',
}

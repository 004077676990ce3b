import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import { type Domain, element, type Failure, isViolation, NS, parseDomain } from '../xmpp/index.ts'
import {
  answerClose,
  answerError,
  type Closing,
  close,
  drop,
  type Ended,
  gone,
  lost,
  stepClosing,
} from './closing.ts'
import { kindOf } from './elements.ts'
import { violated } from './errors.ts'
import { CLOSED_EARLY, NO_HEADER, NOT_AUTHENTICATED } from './failures.ts'
import { NO_LIMITS } from './features.ts'
import type { Step, StreamInput, StreamOutput, StreamTimer } from './machine.ts'
import { after, arm, disarm, NOTHING, progressOpen, writeElement } from './outputs.ts'
import { type Takes, takenStanza } from './pair-stanza.ts'
import { proveByHandshake } from './proof.ts'

export interface ComponentOptions {
  /** whether a component of this name is expected here */
  readonly isServed: (name: Domain) => boolean
  /** whether it is here already, and a second one refused; asked again once the second has proven itself */
  readonly isTaken: (name: Domain) => boolean
  /** a fresh one, by streamId() */
  readonly streamId: string
  /** lower-case hex of SHA-1 over the stream id and the secret: what the component has to show (CO-03) */
  readonly digest: string
  readonly limits: Pick<Limits, 'openMs' | 'negotiationMs' | 'closeMs'>
}

export type ComponentState = AwaitingOpen | AwaitingHandshake | Established | Closing | Ended

interface AwaitingOpen {
  readonly type: 'awaiting-open'
  readonly options: ComponentOptions
}

/** Our header is written, with the id that the digest is made of. */
interface AwaitingHandshake {
  readonly type: 'awaiting-handshake'
  readonly options: ComponentOptions
  readonly name: Domain
}

interface Established {
  readonly type: 'established'
  readonly options: ComponentOptions
  readonly takes: Takes
}

type Live = AwaitingOpen | AwaitingHandshake | Established

export function startComponent(options: ComponentOptions): Step<ComponentState> {
  return {
    state: { type: 'awaiting-open', options },
    outputs: [arm('open', options.limits.openMs)],
  }
}

/**
 * Advance the server's side of a component's stream (XEP-0114) by one input. Pure; never throws on what a peer sends. The
 * wire gives and takes elements of the component's namespace as those of jabber:server. `established` names the component
 * on both sides of its pair: it speaks for one name, to anybody, and hears everybody.
 */
export function stepComponent(state: ComponentState, input: StreamInput): Step<ComponentState> {
  if (state.type === 'ended') return { state, outputs: NOTHING }
  if (state.type === 'closing') return stepClosing(state, input)
  switch (input.type) {
    case 'element':
      return onElement(state, input.element)
    case 'open':
      return onOpen(state, input.header)
    case 'close':
      return onClose(state)
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...input.violation })
    case 'timeout':
      return onTimeout(state, input.timer)
    case 'end':
      return onEnd(state, input.failure)
    case 'transport-closed':
      return leave(state, gone(lost(input.failure)))
    case 'identity':
    case 'secured':
    case 'verification':
    case 'manage':
    case 'resumption': // nothing of this is ever asked for
      return { state, outputs: NOTHING }
  }
}

function onOpen(state: Live, header: StreamHeader): Step<ComponentState> {
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const { options } = state
  const name = header.to === undefined ? null : parseDomain(header.to)
  const fault = headerFault(name, options)
  if (fault !== null || name === null) {
    const closed = close(fault, { afterMs: options.limits.closeMs })
    return leave(state, after([writeOpen(options, name)], closed))
  }
  return {
    state: { type: 'awaiting-handshake', options, name },
    outputs: [
      disarm('open'),
      arm('negotiation', options.limits.negotiationMs),
      writeOpen(options, name),
      progressOpen(options.streamId, { local: name, remote: name }),
    ],
  }
}

/** CO-02: the names are the operator's, whether or not they are of the network. */
function headerFault(name: Domain | null, { isServed, isTaken }: ComponentOptions): Failure | null {
  if (name === null)
    return violated('improper-addressing', 'CO-02', 'a header whose to is missing or no domain')
  if (!isServed(name)) return violated('host-unknown', 'CO-02', 'no component of this name is expected here')
  return isTaken(name) ? TAKEN : null
}

const TAKEN = violated('conflict', 'CO-02', 'the component of this name is connected already')

function onElement(state: Live, scanned: ScannedElement): Step<ComponentState> {
  switch (state.type) {
    case 'awaiting-open':
      return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
    case 'awaiting-handshake':
      return onEarly(state, scanned)
    case 'established':
      return onLate(state, scanned)
  }
}

function onEarly(state: AwaitingHandshake, scanned: ScannedElement): Step<ComponentState> {
  if (scanned.namespace === NS.server && scanned.name === 'handshake') return onHandshake(state, scanned)
  const kind = kindOf(scanned)
  if (kind === 'error') return leave(state, answerError(scanned, state.options.limits.closeMs))
  return kind === 'stanza'
    ? fail(state, violated('not-authorized', 'CO-03', 'something else before the handshake'))
    : fail(state, MISPLACED)
}

function onHandshake(state: AwaitingHandshake, scanned: ScannedElement): Step<ComponentState> {
  const { options, name } = state
  if (!isSame(textOf(scanned), options.digest))
    return fail(state, violated('not-authorized', 'CO-03', 'the handshake does not fit the secret'))
  if (options.isTaken(name)) return fail(state, TAKEN)
  const pair = { local: name, remote: name }
  return {
    state: { type: 'established', options, takes: { pairs: [pair], to: 'anybody' } },
    outputs: [
      disarm('negotiation'),
      writeElement(element('handshake', NS.server)),
      {
        type: 'established',
        pair,
        proof: proveByHandshake(name),
        peerLimits: NO_LIMITS,
        bidi: true,
        sm: false,
      },
    ],
  }
}

/** Takes as long wherever they differ: what is right of a guess is not told by time. */
function isSame(shown: string, digest: string): boolean {
  let difference = shown.length ^ digest.length
  for (let at = 0; at < digest.length; at++) difference |= shown.charCodeAt(at) ^ digest.charCodeAt(at)
  return difference === 0
}

function textOf(scanned: ScannedElement): string {
  return scanned
    .element()
    .children.map(child => (typeof child === 'string' ? child : MARKUP))
    .join('')
}

/** no hex digit */
const MARKUP = '<'

/** The path of every stanza (CO-04); what is none in its namespace, such as `<route/>`, is refused (CO-05). */
function onLate(state: Established, scanned: ScannedElement): Step<ComponentState> {
  const kind = kindOf(scanned)
  switch (kind) {
    case 'stanza': {
      const stanza = takenStanza(scanned, state.takes)
      if (!isViolation(stanza)) return { state, outputs: [{ type: 'stanza', stanza }] }
      return fail(state, { by: 'peer', kind: 'violation', ...stanza })
    }
    case 'error':
      return leave(state, answerError(scanned, state.options.limits.closeMs))
    case 'sm':
    case 'unknown': // SE-31
      return { state, outputs: NOTHING }
    default:
      return fail(state, MISPLACED)
  }
}

const MISPLACED = violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here')

function onClose(state: Live): Step<ComponentState> {
  if (state.type === 'awaiting-open')
    return fail(state, violated('bad-format', 'WS-31', 'a close before the header'))
  const failure = state.type === 'established' ? null : CLOSED_EARLY
  return leave(state, answerClose(failure, state.options.limits.closeMs))
}

function onTimeout(state: Live, timer: StreamTimer): Step<ComponentState> {
  if (timer !== timerOf(state)) return { state, outputs: NOTHING }
  // Nobody has begun a stream here that could be told.
  return state.type === 'awaiting-open' ? leave(state, drop(NO_HEADER)) : fail(state, NOT_AUTHENTICATED)
}

function onEnd(state: Live, failure: Failure | null): Step<ComponentState> {
  return state.type === 'awaiting-open' ? leave(state, drop(failure)) : fail(state, failure)
}

function fail(state: Live, failure: Failure | null): Step<ComponentState> {
  const takes = state.type === 'established' ? state.takes : null
  const closed = close(failure, { takes, afterMs: state.options.limits.closeMs })
  // CO-02: an error needs a header of ours before it.
  const header = state.type === 'awaiting-open' ? [writeOpen(state.options, null)] : NOTHING
  return leave(state, after(header, closed))
}

function leave(state: Live, step: Step<ComponentState>): Step<ComponentState> {
  const timer = timerOf(state)
  return timer === null ? step : after([disarm(timer)], step)
}

function timerOf(state: Live): StreamTimer | null {
  switch (state.type) {
    case 'awaiting-open':
      return 'open'
    case 'awaiting-handshake':
      return 'negotiation'
    case 'established':
      return null
  }
}

/** CO-01, CO-02: from the name that was asked for, with an id, without version; no features follow. */
function writeOpen({ streamId }: ComponentOptions, name: Domain | null): StreamOutput {
  const from = name === null ? {} : { from: name }
  return { type: 'write', frame: { type: 'open', header: { ...from, id: streamId, dialback: false } } }
}

import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import { type DomainPair, type Failure, parseDomain } from '../xmpp/index.ts'
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
import { answerDialback } from './dialback-refused.ts'
import { kindOf } from './elements.ts'
import { violated } from './errors.ts'
import {
  AUTHENTICATION_AGAIN,
  CLOSED_EARLY,
  NO_AUTHENTICATION,
  NO_HEADER,
  NOT_AUTHENTICATED,
} from './failures.ts'
import { type PeerFeatures, readFeatures } from './features.ts'
import { openFrame, versionFault } from './header.ts'
import type { Step, StreamInput, StreamOutput, TransportPolicy } from './machine.ts'
import { type ProvenVerdict, proveByExternal } from './proof.ts'
import { authElement, EXTERNAL, readFailure, responseElement } from './sasl-external.ts'

export interface InitiatingOptions {
  readonly policy: TransportPolicy
  readonly pair: DomainPair
  /** the peer's certificate proves `pair.remote` (CT-10); a stream is not begun without */
  readonly peer: ProvenVerdict
  readonly limits: Pick<Limits, 'openMs' | 'negotiationMs' | 'closeMs'>
}

export type InitiatingState = AwaitingOpen | AwaitingFeatures | Authenticating | Established | Closing | Ended

interface Common {
  readonly options: InitiatingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
}

interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
  /** SASL has succeeded: this is the second stream */
  readonly authenticated: boolean
}

interface AwaitingFeatures extends Common {
  readonly type: 'awaiting-features'
  readonly authenticated: boolean
  /**
   * What is wrong with the peer's header. Kept until the features: who answers with an error may not be able to write a
   * right header, and the error says more (WS-44).
   */
  readonly fault: Failure | null
}

interface Authenticating extends Common {
  readonly type: 'authenticating'
  readonly challenged: boolean
}

interface Established extends Common {
  readonly type: 'established'
}

type Live = AwaitingOpen | AwaitingFeatures | Authenticating | Established

export function startInitiating(options: InitiatingOptions): Step<InitiatingState> {
  const { pair, peer, limits } = options
  if (peer.domain !== pair.remote)
    throw new TypeError(`the certificate proves ${peer.domain}, not ${pair.remote}`)
  return {
    state: { type: 'awaiting-open', options, unsolicited: 0, authenticated: false },
    outputs: [writeOpen(pair), { type: 'timer', timer: 'open', afterMs: limits.openMs }],
  }
}

/** Advance the initiating side by one input. Pure; never throws on what a peer sends. */
export function stepInitiating(state: InitiatingState, input: StreamInput): Step<InitiatingState> {
  if (state.type === 'ended') return { state, outputs: NOTHING }
  if (state.type === 'closing') return stepClosing(state, input)
  switch (input.type) {
    case 'element':
      return onElement(state, input.element)
    case 'open':
      return onOpen(state, input.header)
    case 'close':
      return leave(state, answerClose(closedBy(state, input.seeOtherUri), state.options.limits.closeMs))
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...input.violation })
    case 'timeout':
      return onTimeout(state, input.timer)
    case 'end':
      return fail(state, input.failure)
    case 'transport-closed':
      return leave(state, gone(lost(input.failure)))
    case 'identity':
      return { state, outputs: NOTHING }
  }
}

function onOpen(state: Live, header: StreamHeader): Step<InitiatingState> {
  // WS-34: one stream at a time.
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const { options, unsolicited, authenticated } = state
  const fault = headerFault(header, options.pair)
  const { local, remote } = options.pair
  const outputs: StreamOutput[] = [
    { type: 'progress', step: { name: 'open', pair: { local, remote }, id: header.id ?? '' } },
  ]
  if (!authenticated) {
    outputs.push(
      { type: 'timer', timer: 'open', afterMs: null },
      { type: 'timer', timer: 'negotiation', afterMs: options.limits.negotiationMs },
    )
  }
  return { state: { type: 'awaiting-features', options, unsolicited, authenticated, fault }, outputs }
}

function headerFault(header: StreamHeader, { remote }: DomainPair): Failure | null {
  // ST-04: it speaks for the domain that we want, or we leave.
  if (parseDomain(header.from ?? '') !== remote)
    return violated('invalid-from', 'ST-04', 'a header from another domain than the one asked for')
  if (header.id === undefined || header.id === '')
    return violated('bad-format', 'ST-03', 'a header without an id')
  return versionFault(header)
}

function onElement(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const kind = kindOf(scanned)
  if (kind === 'error') return leave(state, answerError(scanned, state.options.limits.closeMs))
  switch (state.type) {
    case 'awaiting-open':
      return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
    case 'awaiting-features':
      if (kind === 'features') return onFeatures(state, readFeatures(scanned.element()))
      return fail(state, violated('bad-format', 'WS-36', 'something else before the features'))
    case 'authenticating':
      if (kind === 'sasl') return onSasl(state, scanned)
      break
    case 'established':
      // SE-31, ST-16: what is unknown or late changes nothing.
      if (kind === 'unknown' || kind === 'features' || kind === 'sasl') return { state, outputs: NOTHING }
      break
  }
  if (kind === 'dialback') return onDialback(state, scanned)
  if (kind === 'stanza') {
    // ST-19: the peer's stanzas come on streams that it opens, where it has proven itself.
    return fail(state, violated('not-authorized', 'ST-19', 'a stanza on a stream of the other direction'))
  }
  return fail(state, violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here'))
}

function onFeatures(state: AwaitingFeatures, features: PeerFeatures): Step<InitiatingState> {
  if (state.fault !== null) return fail(state, state.fault)
  const { options, unsolicited } = state
  const progress: StreamOutput = { type: 'progress', step: { name: 'features', features: features.names } }
  const after = (step: Step<InitiatingState>) => ({ ...step, outputs: [progress, ...step.outputs] })
  if (!state.authenticated) {
    // SA-16: never by silence. WS-64: STARTTLS and whatever else is required are not asked for here.
    if (!canAuthenticate(features, options.policy)) return after(fail(state, NO_AUTHENTICATION))
    return after({
      state: { type: 'authenticating', options, unsolicited, challenged: false },
      outputs: [
        { type: 'progress', step: { name: 'authenticating', mechanism: EXTERNAL } },
        { type: 'write', frame: { type: 'element', element: authElement(options.pair.local) } },
      ],
    })
  }
  if (features.mechanisms.length > 0) return after(fail(state, AUTHENTICATION_AGAIN))
  if (features.unknownMandatory)
    return after(
      fail(state, violated('unsupported-feature', 'ST-14', 'a mandatory feature that we do not know')),
    )
  return after({
    state: { type: 'established', options, unsolicited },
    outputs: [
      { type: 'timer', timer: 'open', afterMs: null },
      {
        type: 'established',
        pair: options.pair,
        proof: proveByExternal(options.peer),
        peerLimits: features.limits,
      },
    ],
  })
}

/** Dialback will be asked next here (SA-16), where it is supported and EXTERNAL is not offered or has failed (SA-13). */
function canAuthenticate({ mechanisms }: PeerFeatures, policy: TransportPolicy): boolean {
  return policy.secure && mechanisms.includes(EXTERNAL)
}

function onSasl(state: Authenticating, scanned: ScannedElement): Step<InitiatingState> {
  const { options, unsolicited } = state
  switch (scanned.name) {
    case 'success': // WS-40: both streams have ended, without a close
      return {
        state: { type: 'awaiting-open', options, unsolicited, authenticated: true },
        outputs: [
          { type: 'timer', timer: 'negotiation', afterMs: null },
          { type: 'restart' },
          writeOpen(options.pair),
          { type: 'timer', timer: 'open', afterMs: options.limits.openMs },
        ],
      }
    case 'challenge':
      if (state.challenged) return fail(state, refusedBy('it challenges again and again'))
      return {
        state: { ...state, challenged: true },
        outputs: [
          { type: 'write', frame: { type: 'element', element: responseElement(options.pair.local) } },
        ],
      }
    case 'failure': {
      const { condition, text } = readFailure(scanned.element())
      return fail(state, refusedBy(text === '' ? condition : `${condition}: ${text}`))
    }
    default:
      return fail(
        state,
        violated('unsupported-stanza-type', 'SE-24', 'a SASL element that has no place here'),
      )
  }
}

function onDialback(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const answer = answerDialback(scanned, domain => domain === state.options.pair.local, state.unsolicited)
  switch (answer.type) {
    case 'answer':
      return { state, outputs: [{ type: 'write', frame: { type: 'element', element: answer.element } }] }
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...answer.violation })
    case 'unsolicited':
      return { state: { ...state, unsolicited: answer.count }, outputs: NOTHING }
  }
}

function onTimeout(state: Live, timer: string): Step<InitiatingState> {
  if (timer !== timerOf(state)) return { state, outputs: NOTHING }
  return fail(state, timer === 'open' ? NO_HEADER : NOT_AUTHENTICATED)
}

/** What the peer's `<close/>` means to us: after `established`, an end in order. */
function closedBy(state: Live, seeOtherUri: string | undefined): Failure | null {
  if (state.type === 'established') return null
  if (seeOtherUri !== undefined)
    return { by: 'peer', kind: 'redirect', uri: seeOtherUri, detail: 'in place of a stream' } // WS-53
  return CLOSED_EARLY
}

function fail(state: Live, failure: Failure | null): Step<InitiatingState> {
  return leave(state, close(failure, { afterMs: state.options.limits.closeMs }))
}

function leave(state: Live, step: Step<InitiatingState>): Step<InitiatingState> {
  const timer = timerOf(state)
  return timer === null
    ? step
    : { state: step.state, outputs: [{ type: 'timer', timer, afterMs: null }, ...step.outputs] }
}

function timerOf(state: Live): 'open' | 'negotiation' | null {
  switch (state.type) {
    case 'awaiting-open':
      return 'open'
    case 'awaiting-features':
      return state.authenticated ? 'open' : 'negotiation'
    case 'authenticating':
      return 'negotiation'
    case 'established':
      return null
  }
}

function writeOpen({ local, remote }: DomainPair): StreamOutput {
  // ST-07: no id.
  return { type: 'write', frame: openFrame({ from: local, to: remote }) }
}

function refusedBy(why: string): Failure {
  return { by: 'peer', kind: 'unauthenticated', detail: `the peer refused SASL EXTERNAL: ${why}` }
}

import type { Limits } from '../base/index.ts'
import type { StreamHeader } from '../framing/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { Element, ScannedElement } from '../xml/index.ts'
import { type DomainPair, element, type Failure, isViolation, NS, parseDomain } from '../xmpp/index.ts'
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
import {
  answerVerify,
  type DialbackAnswer,
  type DialbackSecret,
  dialbackKey,
  readDialback,
  refuseResult,
  resultElement,
  UNSOLICITED,
  UNSOLICITED_MAX,
} from './dialback.ts'
import { type ElementKind, kindOf } from './elements.ts'
import { violated } from './errors.ts'
import {
  AUTHENTICATION_AGAIN,
  CLOSED_EARLY,
  NO_AUTHENTICATION,
  NO_HEADER,
  NO_STARTTLS,
  NOT_AUTHENTICATED,
  TLS_REFUSED,
  WRONG_VERDICT,
} from './failures.ts'
import { NO_LIMITS, type PeerFeatures, readFeatures } from './features.ts'
import { openFrame, versionFault } from './header.ts'
import type {
  PeerLimits,
  StanzasTo,
  StartTls,
  Step,
  StreamInput,
  StreamOutput,
  StreamTimer,
  TransportPolicy,
} from './machine.ts'
import { type Takes, takenStanza } from './pair-stanza.ts'
import { type ProvenVerdict, proveByDialback, proveByExternal, provenCallee } from './proof.ts'
import { authElement, EXTERNAL, readFailure, responseElement } from './sasl-external.ts'
import { STARTTLS } from './starttls.ts'

export interface InitiatingOptions {
  readonly policy: TransportPolicy
  readonly pair: DomainPair
  /**
   * The peer's certificate proves `pair.remote` (CT-10). null: not yet, as TLS is still to be agreed on; or never, where
   * the address is one that the operator has configured.
   */
  readonly peer: ProvenVerdict | null
  /** absent: never */
  readonly starttls?: StartTls
  /** show a key where SASL EXTERNAL is not agreed on; absent: never */
  readonly dialback?: DialbackSecret
  /** ask for stanzas both ways where the peer offers it (XEP-0288) */
  readonly bidi?: boolean
  /** absent: 'pair' */
  readonly stanzasTo?: StanzasTo
  readonly limits: Pick<Limits, 'openMs' | 'negotiationMs' | 'closeMs'>
}

export type InitiatingState =
  | AwaitingOpen
  | AwaitingFeatures
  | AwaitingProceed
  | AwaitingTls
  | Authenticating
  | ShowingKey
  | Established
  | Closing
  | Ended

interface Common {
  readonly options: InitiatingOptions
  /** dialback answers that we did not ask for */
  readonly unsolicited: number
  /** proven by its certificate */
  readonly peer: ProvenVerdict | null
  /** TLS protects the stream */
  readonly secure: boolean
}

interface AwaitingOpen extends Common {
  readonly type: 'awaiting-open'
  /** the stream after SASL: whether it is bidi then; null before */
  readonly authenticated: { readonly bidi: boolean } | null
}

interface AwaitingFeatures extends Common {
  readonly type: 'awaiting-features'
  readonly authenticated: { readonly bidi: boolean } | null
  readonly header: StreamHeader
  /**
   * What is wrong with the peer's header. Kept until the features: who answers with an error may not be able to write a
   * right header, and the error says more (WS-44).
   */
  readonly fault: Failure | null
}

/** STARTTLS is asked for. */
interface AwaitingProceed extends Common {
  readonly type: 'awaiting-proceed'
}

/** TLS is being made, then judged. */
interface AwaitingTls extends Common {
  readonly type: 'awaiting-tls'
}

interface Authenticating extends Common {
  readonly type: 'authenticating'
  readonly challenged: boolean
  /** where SASL fails, dialback is next on the same stream (SA-13) */
  readonly offered: Offered
}

/** Our key is out; the answer is awaited. */
interface ShowingKey extends Common {
  readonly type: 'showing-key'
  readonly offered: Offered
}

interface Established extends Common {
  readonly type: 'established'
  /** null: stanzas go one way only */
  readonly takes: Takes | null
}

/** What the peer's header and features have told. */
interface Offered {
  readonly id: string
  readonly dialback: boolean
  readonly bidi: boolean
  readonly limits: PeerLimits
}

type Live = Exclude<InitiatingState, Closing | Ended>

export function startInitiating(options: InitiatingOptions): Step<InitiatingState> {
  const { pair, peer, limits, policy } = options
  if (peer !== null && peer.domain !== pair.remote)
    throw new TypeError(`the certificate proves ${peer.domain}, not ${pair.remote}`)
  return {
    state: {
      type: 'awaiting-open',
      options,
      unsolicited: 0,
      peer,
      secure: policy.secure,
      authenticated: null,
    },
    outputs: [writeOpen(options), { type: 'timer', timer: 'open', afterMs: limits.openMs }],
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
    case 'secured':
      return state.type === 'awaiting-tls'
        ? { state, outputs: [{ type: 'need-identity', claimed: state.options.pair.remote }] }
        : { state, outputs: NOTHING }
    case 'identity':
      return state.type === 'awaiting-tls' ? onIdentity(state, input.verdict) : { state, outputs: NOTHING }
    case 'verification':
      return { state, outputs: NOTHING }
  }
}

function onOpen(state: Live, header: StreamHeader): Step<InitiatingState> {
  // WS-34: one stream at a time.
  if (state.type !== 'awaiting-open') return fail(state, violated('bad-format', 'WS-34', 'a second header'))
  const { options, authenticated } = state
  const { local, remote } = options.pair
  const id = header.id ?? ''
  const outputs: StreamOutput[] = [{ type: 'progress', step: { name: 'open', pair: { local, remote }, id } }]
  if (authenticated === null) {
    outputs.push(
      { type: 'timer', timer: 'open', afterMs: null },
      { type: 'timer', timer: 'negotiation', afterMs: options.limits.negotiationMs },
    )
  }
  // COMPAT(jabberd2): without a version no features follow, and dialback is all there is.
  if (isOldDialback(state, header) && id !== '') {
    const offered = { id, dialback: true, bidi: false, limits: NO_LIMITS }
    return after(outputs, showKey(state, offered))
  }
  const fault = headerFault(header, options.pair)
  return { state: { ...common(state), type: 'awaiting-features', authenticated, header, fault }, outputs }
}

function isOldDialback({ options, secure, authenticated }: AwaitingOpen, header: StreamHeader): boolean {
  const { dialback, starttls, policy } = options
  if (dialback === undefined || policy.name !== 'tcp' || secure || starttls === 'required') return false
  return authenticated === null && header.version === undefined && header.dialback
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
  if (state.type === 'established' && state.takes !== null && scanned.namespace === NS.server)
    return onStanza(state, state.takes, scanned)
  const kind = kindOf(scanned)
  if (kind === 'error') return leave(state, answerError(scanned, state.options.limits.closeMs))
  switch (state.type) {
    case 'awaiting-open':
      return fail(state, violated('bad-format', 'WS-31', 'something else before the header'))
    case 'awaiting-features':
      if (kind === 'features') return onFeatures(state, readFeatures(scanned.element()))
      return fail(state, violated('bad-format', 'WS-36', 'something else before the features'))
    case 'awaiting-proceed':
      if (kind === 'starttls') return onProceed(state, scanned)
      break
    case 'awaiting-tls':
      // RFC 6120 §5.4.3.3: what stands behind <proceed/> in the clear may be anybody's.
      return fail(state, violated('policy-violation', 'WS-64', 'an element between <proceed/> and TLS'))
    case 'authenticating':
      if (kind === 'sasl') return onSasl(state, scanned)
      break
    case 'showing-key':
      break
    case 'established':
      // SE-31, ST-16: what is unknown or late changes nothing.
      if (kind === 'unknown' || kind === 'features' || kind === 'sasl') return { state, outputs: NOTHING }
      break
  }
  return onOther(state, kind, scanned)
}

function onOther(state: Live, kind: ElementKind, scanned: ScannedElement): Step<InitiatingState> {
  if (kind === 'dialback') return onDialback(state, scanned)
  if (kind === 'stanza') {
    // ST-19: the peer's stanzas come on streams that it opens, where it has proven itself.
    return fail(state, violated('not-authorized', 'ST-19', 'a stanza on a stream of the other direction'))
  }
  return fail(state, violated('unsupported-stanza-type', 'SE-24', 'an element that has no place here'))
}

/** The path of every stanza, on a stream that is bidi. */
function onStanza(state: Established, takes: Takes, scanned: ScannedElement): Step<InitiatingState> {
  const stanza = takenStanza(scanned, takes)
  if (!isViolation(stanza)) return { state, outputs: [{ type: 'stanza', stanza }] }
  return fail(state, { by: 'peer', kind: 'violation', ...stanza })
}

function onFeatures(state: AwaitingFeatures, features: PeerFeatures): Step<InitiatingState> {
  if (state.fault !== null) return fail(state, state.fault)
  const progress: StreamOutput = { type: 'progress', step: { name: 'features', features: features.names } }
  return after(
    [progress],
    state.authenticated === null
      ? negotiate(state, features)
      : finishSasl(state, state.authenticated.bidi, features),
  )
}

/** TLS, then SASL EXTERNAL, then dialback: the first that both sides can. SA-16: never by silence. */
function negotiate(state: AwaitingFeatures, features: PeerFeatures): Step<InitiatingState> {
  const { options, header } = state
  const { starttls = 'never' } = options
  if (!state.secure && starttls !== 'never' && features.starttls) {
    return {
      state: { ...common(state), type: 'awaiting-proceed' },
      outputs: [{ type: 'progress', step: { name: 'starttls' } }, writeElement(STARTTLS)],
    }
  }
  if (!state.secure && starttls === 'required') return fail(state, NO_STARTTLS)
  const offered: Offered = {
    id: header.id ?? '',
    // DB-15: the older sign will do.
    dialback: features.dialback || header.dialback,
    bidi: options.bidi === true && features.bidi,
    limits: features.limits,
  }
  // WS-64: STARTTLS and whatever else is required are not asked for here.
  const next =
    state.secure && features.mechanisms.includes(EXTERNAL)
      ? authenticate(state, offered)
      : showKey(state, offered)
  if (!offered.bidi || next.state.type === 'closing' || next.state.type === 'ended') return next
  // BI-02: before authentication; there is no answer.
  return after([writeElement(element('bidi', NS.bidi))], next)
}

function authenticate(state: Live, offered: Offered): Step<InitiatingState> {
  return {
    state: { ...common(state), type: 'authenticating', challenged: false, offered },
    outputs: [
      { type: 'progress', step: { name: 'authenticating', mechanism: EXTERNAL } },
      writeElement(authElement(state.options.pair.local)),
    ],
  }
}

/** Dialback, where we do it and the peer does (SA-16). */
function showKey(
  state: Live,
  offered: Offered,
  otherwise: Failure = NO_AUTHENTICATION,
): Step<InitiatingState> {
  const { dialback, pair } = state.options
  if (dialback === undefined || !offered.dialback) return fail(state, otherwise)
  const key = dialbackKey(dialback, { receiving: pair.remote, originating: pair.local, id: offered.id })
  return {
    state: { ...common(state), type: 'showing-key', offered },
    outputs: [
      { type: 'progress', step: { name: 'authenticating', mechanism: 'DIALBACK' } },
      writeElement(resultElement(pair, key)),
    ],
  }
}

function finishSasl(state: AwaitingFeatures, bidi: boolean, features: PeerFeatures): Step<InitiatingState> {
  const { peer } = state
  if (features.mechanisms.length > 0) return fail(state, AUTHENTICATION_AGAIN)
  if (features.unknownMandatory)
    return fail(state, violated('unsupported-feature', 'ST-14', 'a mandatory feature that we do not know'))
  if (peer === null) return fail(state, WRONG_VERDICT)
  return establish(state, { type: 'timer', timer: 'open', afterMs: null }, proveByExternal(peer), {
    bidi,
    limits: features.limits,
  })
}

function establish(
  state: Live,
  disarm: StreamOutput,
  proof: ReturnType<typeof proveByExternal>,
  { bidi, limits }: Pick<Offered, 'bidi' | 'limits'>,
): Step<InitiatingState> {
  const { pair, stanzasTo = 'pair' } = state.options
  return {
    state: {
      ...common(state),
      type: 'established',
      takes: bidi ? { pairs: [pair], to: stanzasTo } : null,
    },
    outputs: [disarm, { type: 'established', pair, proof, peerLimits: limits, bidi }],
  }
}

function onProceed(state: AwaitingProceed, scanned: ScannedElement): Step<InitiatingState> {
  if (scanned.name !== 'proceed') return fail(state, TLS_REFUSED)
  return {
    state: { ...common(state), type: 'awaiting-tls' },
    outputs: [
      { type: 'timer', timer: 'negotiation', afterMs: null },
      { type: 'restart' },
      { type: 'start-tls', pair: state.options.pair },
    ],
  }
}

function onIdentity(state: AwaitingTls, verdict: IdentityVerdict): Step<InitiatingState> {
  const { options } = state
  if (!verdict.ok) {
    const { reason, detail } = verdict
    return leave(state, gone({ by: 'peer', kind: 'identity', reason, detail }), true)
  }
  if (verdict.domain !== options.pair.remote) return fail(state, WRONG_VERDICT)
  return {
    state: { ...common(state), type: 'awaiting-open', peer: verdict, secure: true, authenticated: null },
    outputs: [writeOpen(options), { type: 'timer', timer: 'open', afterMs: options.limits.openMs }],
  }
}

function onSasl(state: Authenticating, scanned: ScannedElement): Step<InitiatingState> {
  const { options, offered } = state
  switch (scanned.name) {
    case 'success': // WS-40: both streams have ended, without a close
      return {
        state: { ...common(state), type: 'awaiting-open', authenticated: { bidi: offered.bidi } },
        outputs: [
          { type: 'timer', timer: 'negotiation', afterMs: null },
          { type: 'restart' },
          writeOpen(options),
          { type: 'timer', timer: 'open', afterMs: options.limits.openMs },
        ],
      }
    case 'challenge':
      if (state.challenged) return fail(state, refusedBy('it challenges again and again'))
      return {
        state: { ...state, challenged: true },
        outputs: [writeElement(responseElement(options.pair.local))],
      }
    case 'failure': {
      const { condition, text } = readFailure(scanned.element())
      return showKey(state, offered, refusedBy(text === '' ? condition : `${condition}: ${text}`)) // SA-13
    }
    default:
      return fail(
        state,
        violated('unsupported-stanza-type', 'SE-24', 'a SASL element that has no place here'),
      )
  }
}

function onDialback(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const { options } = state
  const read = readDialback(scanned)
  switch (read.kind) {
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...read.violation })
    case 'request': {
      // DB-18, DB-45: this stream proves us to the peer, not the peer to us; a verify is answered on any stream.
      const { local } = options.pair
      const secret = options.dialback ?? null
      return read.name === 'verify'
        ? { state, outputs: [writeElement(answerVerify(read, secret, domain => domain === local))] }
        : { state, outputs: [writeElement(refuseResult(read, domain => domain === local))] }
    }
    case 'answer':
      return isOurAnswer(state, read) ? onAnswer(state, read) : onUnsolicited(state)
  }
}

function isOurAnswer(state: Live, { name, pair }: DialbackAnswer): state is ShowingKey {
  const { local, remote } = state.options.pair
  return state.type === 'showing-key' && name === 'result' && pair?.local === local && pair.remote === remote
}

function onAnswer(state: ShowingKey, answer: DialbackAnswer): Step<InitiatingState> {
  const { peer, offered, options } = state
  switch (answer.type) {
    case 'valid': {
      const { remote } = options.pair
      const proof = peer === null ? proveByDialback(remote, CONFIGURED) : provenCallee(peer)
      return establish(state, { type: 'timer', timer: 'negotiation', afterMs: null }, proof, offered)
    }
    case 'invalid':
      return fail(state, unverified('it could not verify our dialback key'))
    case 'error': // DB-25: the stream stays usable, but not for us
      return fail(state, unverified(`it answered our dialback key with ${answer.condition}`))
  }
}

const CONFIGURED = 'its address, which is configured'

function onUnsolicited(state: Live): Step<InitiatingState> {
  const unsolicited = state.unsolicited + 1
  if (unsolicited < UNSOLICITED_MAX) return { state: { ...state, unsolicited }, outputs: NOTHING }
  return fail(state, { by: 'peer', kind: 'violation', ...UNSOLICITED })
}

function onTimeout(state: Live, timer: StreamTimer): Step<InitiatingState> {
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
  const takes = state.type === 'established' ? state.takes : null
  return leave(state, close(failure, { takes, afterMs: state.options.limits.closeMs }))
}

function leave(state: Live, step: Step<InitiatingState>, cut = false): Step<InitiatingState> {
  const timer = timerOf(state)
  const outputs: StreamOutput[] = timer === null ? [] : [{ type: 'timer', timer, afterMs: null }]
  // Nothing is said to whom TLS has not proven.
  if (cut) outputs.push({ type: 'close-transport', code: 1008, reason: '' })
  return after(outputs, step)
}

function after(outputs: readonly StreamOutput[], step: Step<InitiatingState>): Step<InitiatingState> {
  return outputs.length === 0 ? step : { state: step.state, outputs: [...outputs, ...step.outputs] }
}

function common({ options, unsolicited, peer, secure }: Live): Common {
  return { options, unsolicited, peer, secure }
}

function timerOf(state: Live): 'open' | 'negotiation' | null {
  switch (state.type) {
    case 'awaiting-open':
      return 'open'
    case 'awaiting-features':
      return state.authenticated === null ? 'negotiation' : 'open'
    case 'awaiting-proceed':
    case 'authenticating':
    case 'showing-key':
      return 'negotiation'
    case 'awaiting-tls': // the transport's handshake has its own deadline
    case 'established':
      return null
  }
}

function writeOpen({ pair, dialback }: InitiatingOptions): StreamOutput {
  // ST-07: no id.
  const header = { from: pair.local, to: pair.remote }
  return { type: 'write', frame: openFrame(header, { dialback: dialback !== undefined }) }
}

function writeElement(of: Element): StreamOutput {
  return { type: 'write', frame: { type: 'element', element: of } }
}

function refusedBy(why: string): Failure {
  return { by: 'peer', kind: 'unauthenticated', detail: `the peer refused SASL EXTERNAL: ${why}` }
}

function unverified(why: string): Failure {
  return { by: 'peer', kind: 'unauthenticated', detail: why }
}

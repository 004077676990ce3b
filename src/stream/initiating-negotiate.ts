import type { ScannedElement } from '../xml/index.ts'
import type { Failure } from '../xmpp/index.ts'
import { bidiElement } from './bidi.ts'
import { violated } from './errors.ts'
import {
  AUTHENTICATION_AGAIN,
  DIALBACK_IS_OFF,
  NO_STARTTLS,
  NOTHING_IN_COMMON,
  NOTHING_TO_SHOW,
} from './failures.ts'
import type { PeerFeatures } from './features.ts'
import { showKey } from './initiating-dialback.ts'
import {
  type Authenticated,
  type Authenticating,
  type AwaitingFeatures,
  common,
  establish,
  fail,
  type InitiatingOptions,
  type InitiatingState,
  type Offered,
  type Unauthenticated,
  writeOpen,
} from './initiating-state.ts'
import { askForTls } from './initiating-tls.ts'
import type { Step, StreamOutput } from './machine.ts'
import { after, arm, authenticating, disarm, writeElement } from './outputs.ts'
import { type ProvenVerdict, proveByExternal } from './proof.ts'
import { authElement, EXTERNAL, readFailure, responseElement } from './sasl-external.ts'

// What the peer offers decides: TLS first, then SASL EXTERNAL, then dialback.

export function onFeatures(state: AwaitingFeatures, features: PeerFeatures): Step<InitiatingState> {
  const { fault, authenticated } = state
  if (fault !== null) return fail(state, fault)
  const progress: StreamOutput = { type: 'progress', step: { name: 'features', features: features.names } }
  return after(
    [progress],
    authenticated === null ? negotiate(state, features) : finishSasl(state, authenticated, features),
  )
}

/** The first that both sides can. SA-16: never by silence. */
function negotiate(state: AwaitingFeatures, features: PeerFeatures): Step<InitiatingState> {
  const { options, header, peer } = state
  const { starttls = 'never' } = options
  if (!state.secure && starttls !== 'never' && features.starttls) return askForTls(state)
  if (!state.secure && starttls === 'required') return fail(state, NO_STARTTLS)
  const offered: Offered = {
    id: header.id ?? '',
    // DB-15: the older sign will do.
    dialback: features.dialback || header.dialback,
    bidi: options.bidi === true && features.bidi,
    sm: canManage(options, features),
    limits: features.limits,
  }
  const hasExternal = features.mechanisms.includes(EXTERNAL)
  const isKeyFirst = options.first === 'dialback' && options.dialback !== undefined && offered.dialback
  // WS-64: STARTTLS and whatever else is required are not asked for here.
  const next =
    hasExternal && !isKeyFirst && options.certificate !== false && typeof peer !== 'string' && state.secure
      ? authenticate(state, peer, offered)
      : showKey(state, offered, whyNone(hasExternal, offered))
  if (!offered.bidi || next.state.type === 'closing' || next.state.type === 'ended') return next
  // BI-02: before authentication; there is no answer.
  return after([writeElement(bidiElement(options.limits))], next)
}

/** Where nothing is left that both sides can. */
function whyNone(hasExternal: boolean, offered: Offered): Failure {
  if (hasExternal) return NOTHING_TO_SHOW
  return offered.dialback ? DIALBACK_IS_OFF : NOTHING_IN_COMMON
}

function authenticate(state: AwaitingFeatures, peer: ProvenVerdict, offered: Offered): Step<InitiatingState> {
  return {
    state: { ...common(state), type: 'authenticating', peer, challenged: false, offered },
    outputs: [authenticating(EXTERNAL), writeElement(authElement(state.options.pair.local))],
  }
}

export function onSasl(state: Authenticating, scanned: ScannedElement): Step<InitiatingState> {
  const { options, offered, peer } = state
  switch (scanned.name) {
    case 'success': // WS-40: both streams have ended, without a close
      return {
        state: { ...common(state), type: 'awaiting-open', authenticated: { peer, bidi: offered.bidi } },
        outputs: [
          disarm('negotiation'),
          { type: 'restart' },
          writeOpen(options),
          arm('open', options.limits.openMs),
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
      const refusal = refusedBy(text === '' ? condition : `${condition}: ${text}`)
      return showKey(state, offered, refusal, refusal) // SA-13
    }
    default:
      return fail(
        state,
        violated('unsupported-stanza-type', 'SE-24', 'a SASL element that has no place here'),
      )
  }
}

function finishSasl(
  state: AwaitingFeatures,
  { peer, bidi }: Authenticated,
  features: PeerFeatures,
): Step<InitiatingState> {
  if (features.mechanisms.length > 0) return fail(state, AUTHENTICATION_AGAIN)
  if (features.unknownMandatory)
    return fail(state, violated('unsupported-feature', 'ST-14', 'a mandatory feature that we do not know'))
  const sm = canManage(state.options, features)
  return establish(state, proveByExternal(peer), { bidi, sm, limits: features.limits })
}

function canManage({ sm }: InitiatingOptions, features: PeerFeatures): boolean {
  return sm === 'always' || (sm === 'offered' && features.sm)
}

function refusedBy(why: string): Unauthenticated {
  return { by: 'peer', kind: 'unauthenticated', detail: `the peer refused SASL EXTERNAL: ${why}` }
}

import type { Element, ScannedElement } from '../xml/index.ts'
import type { Domain, Failure } from '../xmpp/index.ts'
import {
  answerElement,
  answerVerify,
  type DialbackAnswer,
  type DialbackRequest,
  dialbackKey,
  readDialback,
  refuseResult,
  resultElement,
  UNSOLICITED,
  UNSOLICITED_MAX,
} from './dialback.ts'
import { NO_STARTTLS } from './failures.ts'
import {
  common,
  establish,
  fail,
  type InitiatingState,
  type Live,
  type Offered,
  type ShowingKey,
  type Unauthenticated,
} from './initiating-state.ts'
import type { Step } from './machine.ts'
import { arm, authenticating, NOTHING, writeElement } from './outputs.ts'
import { proveByDialback, provenCallee } from './proof.ts'

// Server dialback (PROTOCOL E.3), as who shows a key, and as who is asked about it.

/**
 * Where we do dialback and the peer does (SA-16).
 * @param otherwise why there is no stream
 * @param refusal of SASL EXTERNAL, where that came before
 */
export function showKey(
  state: Live,
  offered: Offered,
  otherwise: Failure,
  refusal: Unauthenticated | null = null,
): Step<InitiatingState> {
  const { dialback, pair, limits } = state.options
  if (dialback === undefined || !offered.dialback) return fail(state, otherwise)
  const key = dialbackKey(dialback, { receiving: pair.remote, originating: pair.local, id: offered.id })
  return {
    state: { ...common(state), type: 'showing-key', offered, refusal },
    outputs: [
      authenticating('DIALBACK'),
      writeElement(resultElement(pair, key)),
      // The peer calls back meanwhile.
      arm('negotiation', limits.dialbackMs),
    ],
  }
}

export function onDialback(state: Live, scanned: ScannedElement): Step<InitiatingState> {
  const read = readDialback(scanned)
  switch (read.kind) {
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...read.violation })
    case 'request':
      return { state, outputs: [writeElement(answerRequest(state, read))] }
    case 'answer':
      return isOurAnswer(state, read) ? onAnswer(state, read) : onUnsolicited(state)
  }
}

function answerRequest(state: Live, request: DialbackRequest): Element {
  const { pair, dialback = null } = state.options
  const isOurs = (domain: Domain) => domain === pair.local
  // DB-18: on any stream.
  if (request.name === 'verify') return answerVerify(request, dialback, isOurs)
  // DB-45: this stream proves us to the peer, not the peer to us. BI-05: with bidi it may show keys here, and what is
  // proven already is valid; its other domains are told to come on streams of their own.
  const { pair: shown } = request
  const isProven =
    state.type === 'established' &&
    state.takes !== null &&
    shown?.local === pair.local &&
    shown.remote === pair.remote
  return isProven ? answerElement(request, { type: 'valid' }) : refuseResult(request, isOurs)
}

/** DB-40: to the one key that we have shown, on the stream where we have. */
function isOurAnswer(state: Live, { name, pair }: DialbackAnswer): state is ShowingKey {
  const { local, remote } = state.options.pair
  return state.type === 'showing-key' && name === 'result' && pair?.local === local && pair.remote === remote
}

function onAnswer(state: ShowingKey, answer: DialbackAnswer): Step<InitiatingState> {
  const { peer, offered, options } = state
  switch (answer.type) {
    case 'valid':
      // No key is shown before TLS that is required.
      if (peer === 'by-starttls') return fail(state, NO_STARTTLS)
      return establish(
        state,
        peer === 'configured-address' ? proveByDialback(options.pair.remote, CONFIGURED) : provenCallee(peer),
        offered,
      )
    case 'invalid':
      return fail(state, { ...unverified('it says that our dialback key is wrong'), key: 'invalid' })
    case 'error': {
      // DB-25: the stream stays usable, but not for us.
      const why = answer.text === '' ? answer.condition : `${answer.condition}: ${answer.text}`
      const failure = unverified(`it answered our dialback key with ${why}`)
      return fail(
        state,
        answer.condition === 'resource-constraint' ? { ...failure, retryWith: 'dialback' } : failure,
      )
    }
  }
}

const CONFIGURED = 'its address, which is configured'

function onUnsolicited(state: Live): Step<InitiatingState> {
  const unsolicited = state.unsolicited + 1
  if (unsolicited < UNSOLICITED_MAX) return { state: { ...state, unsolicited }, outputs: NOTHING }
  return fail(state, { by: 'peer', kind: 'violation', ...UNSOLICITED })
}

function unverified(why: string): Unauthenticated {
  return { by: 'peer', kind: 'unauthenticated', detail: why }
}

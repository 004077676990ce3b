import type { ScannedElement } from '../xml/index.ts'
import { type DomainPair, notFederable, type StanzaCondition } from '../xmpp/index.ts'
import {
  answerElement,
  answerVerify,
  type DialbackOutcome,
  type DialbackRequest,
  readDialback,
  refuseResult,
  UNSOLICITED,
  UNSOLICITED_MAX,
} from './dialback.ts'
import { WRONG_KEY } from './failures.ts'
import type { Step, StreamOutput, Verification } from './machine.ts'
import { after, arm, authenticating, disarm, NOTHING, writeElement } from './outputs.ts'
import { proveByDialback } from './proof.ts'
import {
  agreed,
  common,
  currentId,
  type Established,
  established,
  fail,
  type Live,
  type Negotiating,
  type ReceivingState,
} from './receiving-state.ts'

// Server dialback (PROTOCOL E.3), as who is shown keys and as who is asked about them.

export function onDialback(state: Live, scanned: ScannedElement): Step<ReceivingState> {
  const { options } = state
  const read = readDialback(scanned)
  switch (read.kind) {
    case 'violation':
      return fail(state, { by: 'peer', kind: 'violation', ...read.violation })
    case 'answer':
      return onUnsolicited(state)
    case 'request':
      if (read.name === 'verify') {
        // DB-18: on any stream, proven or not.
        const answer = answerVerify(read, options.dialback ?? null, options.isLocal)
        return { state: { ...state, served: true }, outputs: [writeElement(answer)] }
      }
      if (options.dialback === undefined)
        return { state, outputs: [writeElement(refuseResult(read, options.isLocal))] }
      return state.type === 'negotiating' || state.type === 'established'
        ? onResult(state, read)
        : { state, outputs: [writeElement(answerElement(read, NOT_NOW))] }
  }
}

const NOT_NOW = { type: 'error', condition: 'unexpected-request' } as const

/** DB-40: we show no keys on a stream that the peer has opened, so nothing can be answered. */
function onUnsolicited(state: Live): Step<ReceivingState> {
  const unsolicited = state.unsolicited + 1
  if (unsolicited < UNSOLICITED_MAX) return { state: { ...state, unsolicited }, outputs: NOTHING }
  return fail(state, { by: 'peer', kind: 'violation', ...UNSOLICITED })
}

/** A key that is said to be the remote domain's. */
function onResult(state: Negotiating | Established, request: DialbackRequest): Step<ReceivingState> {
  const { pair, from, to, key } = request
  const refusal = refuseKey(state, request)
  if (refusal !== null || pair === null) {
    const condition = refusal ?? 'jid-malformed'
    return { state, outputs: [writeElement(answerElement(request, { type: 'error', condition }))] }
  }
  if (isProven(state, pair))
    return { state, outputs: [writeElement(answerElement(request, { type: 'valid' }))] }
  // One verification of a pair at a time; its answer answers them all.
  if (state.verifying.some(other => isSamePair(other.pair, pair))) return { state, outputs: NOTHING }
  const verification = { pair, from, to, id: currentId(state), key }
  const verifying = [...state.verifying, verification]
  const ask: StreamOutput = { type: 'need-verification', certified: isCertified(state), ...verification }
  if (state.type === 'established' || state.shown) return { state: { ...state, verifying }, outputs: [ask] }
  return {
    state: { ...state, shown: true, verifying },
    outputs: [authenticating('DIALBACK'), arm('negotiation', state.options.limits.dialbackMs), ask],
  }
}

/** Why a pair cannot be proven here (DB-23, DB-28); null: it can be asked about. */
function refuseKey(state: Negotiating | Established, { pair, key }: DialbackRequest): StanzaCondition | null {
  const { options, secure, verifying } = state
  const { isLocal, admits, starttls, limits } = options
  if (pair === null) return 'jid-malformed'
  if (!isLocal(pair.local)) return 'item-not-found'
  const isAdmitted =
    admits === undefined ? !isLocal(pair.remote) && notFederable(pair.remote) === null : admits(pair.remote)
  if (!isAdmitted) return 'not-acceptable'
  if (starttls === 'required' && !secure) return 'policy-violation'
  if (Buffer.byteLength(key) > limits.dialbackKeyBytes) return 'not-acceptable'
  if (isProven(state, pair)) return null
  const pairs = state.type === 'established' ? state.takes.pairs.length : 0
  // Who has us call others for nothing, again and again, has to come again for it.
  const places = pairs + verifying.length + state.inVain
  const isFull = verifying.length >= limits.dialbackPending || places >= limits.dialbackPairs
  return isFull ? 'resource-constraint' : null
}

/** What the domain's own server has said of a key, whenever it says it. */
export function onVerification(
  state: Live,
  answered: Verification,
  outcome: DialbackOutcome,
): Step<ReceivingState> {
  // WS-41, DB-44: what was asked on a stream that has been restarted is void.
  if (state.type !== 'negotiating' && state.type !== 'established') return { state, outputs: NOTHING }
  const asked = state.verifying.find(other => isSame(other, answered))
  if (asked === undefined) return { state, outputs: NOTHING }
  const verifying = state.verifying.filter(other => other !== asked)
  const inVain = state.inVain + 1
  const write = (answer: Parameters<typeof answerElement>[1]) =>
    writeElement(answerElement({ ...asked, name: 'result' }, answer))
  switch (outcome.type) {
    case 'valid':
      return authorise({ ...state, verifying }, asked.pair, outcome, write({ type: 'valid' }))
    case 'invalid':
      // DB-26: whoever shows a wrong key has no place here, unless others on its stream have shown right ones.
      if (state.type === 'established' || verifying.length > 0)
        return { state: { ...state, verifying, inVain }, outputs: [write(FORBIDDEN)] }
      return after([write({ type: 'invalid' })], fail(state, WRONG_KEY, true))
    case 'error': // DB-25
      return { state: { ...state, verifying, inVain }, outputs: [write(outcome)] }
  }
}

const FORBIDDEN = { type: 'error', condition: 'forbidden' } as const

/** The only way by which a key proves a pair. */
function authorise(
  state: Negotiating | Established,
  pair: DomainPair,
  { evidence, notAfterMs }: Extract<DialbackOutcome, { type: 'valid' }>,
  valid: StreamOutput,
): Step<ReceivingState> {
  const { verifying } = state
  const certified = isCertified(state)
  const proof = proveByDialback(pair.remote, evidence, notAfterMs)
  if (state.type === 'established')
    return {
      state: established(common(state), [...state.takes.pairs, pair], { verifying, certified }),
      outputs: [valid, { type: 'authorised', pair, proof }],
    }
  return {
    state: established(common(state), [pair], { verifying, certified }),
    outputs: [disarm('negotiation'), valid, agreed(state, pair, proof)],
  }
}

function isCertified(state: Negotiating | Established): boolean {
  return state.type === 'established' ? state.certified : state.peer !== null
}

function isProven(state: Negotiating | Established, pair: DomainPair): boolean {
  return state.type === 'established' && state.takes.pairs.some(proven => isSamePair(proven, pair))
}

/** DB-44: of this very key, shown on this very stream. */
function isSame(one: Verification, other: Verification): boolean {
  return one.id === other.id && one.key === other.key && isSamePair(one.pair, other.pair)
}

function isSamePair(one: DomainPair, other: DomainPair): boolean {
  return one.local === other.local && one.remote === other.remote
}

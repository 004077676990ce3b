import type { Element, ScannedElement } from '../xml/index.ts'
import {
  type Domain,
  element,
  NS,
  parseDomain,
  STANZA_CONDITIONS,
  type StanzaCondition,
  type Violation,
} from '../xmpp/index.ts'

// Server dialback is not spoken here yet, and a peer may try all the same (QK-14). It is told so in dialback's own words:
// that leaves the stream usable for SASL EXTERNAL (DB-25), and no key that somebody shows in our name is ours.

export type DialbackAnswer =
  | { readonly type: 'answer'; readonly element: Element }
  /** an answer that nobody asked for (DB-40); so many by now */
  | { readonly type: 'unsolicited'; readonly count: number }
  | { readonly type: 'violation'; readonly violation: Violation }

/** @param unsolicited answers that nobody asked for, on this stream so far */
export function answerDialback(
  scanned: ScannedElement,
  isLocal: (domain: Domain) => boolean,
  unsolicited: number,
): DialbackAnswer {
  const { name } = scanned
  if (name !== 'result' && name !== 'verify') return { type: 'violation', violation: UNKNOWN }
  if (scanned.attribute('type') !== undefined) {
    const count = unsolicited + 1
    return count < UNSOLICITED_MAX
      ? { type: 'unsolicited', count }
      : { type: 'violation', violation: UNSOLICITED }
  }
  const from = scanned.attribute('from') ?? ''
  const to = scanned.attribute('to') ?? ''
  const id = scanned.attribute('id')
  if (from === '' || to === '' || (name === 'verify' && id === undefined))
    return { type: 'violation', violation: UNADDRESSED }

  const target = parseDomain(to)
  const isOurs = target !== null && isLocal(target)
  const addresses = { from: to, to: from }
  if (name === 'verify') {
    // We have sent no key, so it is not ours.
    const type = isOurs ? 'invalid' : 'error'
    const children = isOurs ? [] : [dialbackError('item-not-found')]
    return { type: 'answer', element: dialback('verify', { ...addresses, id, type }, children) }
  }
  // DB-28: a certificate is demanded.
  const condition = isOurs ? 'not-authorized' : 'item-not-found'
  return {
    type: 'answer',
    element: dialback('result', { ...addresses, type: 'error' }, [dialbackError(condition)]),
  }
}

/** DB-40: the third is no accident. */
const UNSOLICITED_MAX = 3

const UNSOLICITED: Violation = Object.freeze({
  condition: 'policy-violation',
  rule: 'DB-40',
  detail: 'dialback answers that nobody asked for',
})

const UNKNOWN: Violation = Object.freeze({
  condition: 'unsupported-stanza-type',
  rule: 'SE-24',
  detail: 'an element that is not of dialback',
})

const UNADDRESSED: Violation = Object.freeze({
  condition: 'improper-addressing',
  rule: 'DB-16',
  detail: 'a dialback element without its addresses or id',
})

function dialback(
  name: 'result' | 'verify',
  attributes: Readonly<Record<string, string | undefined>>,
  children: readonly Element[],
): Element {
  return { ...element(name, NS.dialback, attributes, ...children), prefix: 'db' }
}

/** DB-12: in the content namespace. */
function dialbackError(condition: StanzaCondition): Element {
  const type = STANZA_CONDITIONS[condition]
  return element('error', NS.server, { type }, element(condition, NS.stanzaErrors))
}

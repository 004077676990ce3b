import type { Element, ScannedElement } from '../xml/index.ts'
import type { Violation } from './failure.ts'
import { type Jid, parseWireJid } from './jid.ts'
import { NS } from './namespaces.ts'

/**
 * A message, presence or iq on its way between domains. Addresses are parsed; bytes are canonical (DECISIONS 6),
 * in jabber:server, ready for any wire; the tree is made on demand. Immutable.
 */
export interface Stanza {
  readonly kind: StanzaKind
  readonly from: Jid
  readonly to: Jid
  /** the type attribute as sent; '' where absent */
  readonly type: string
  /** '' where absent */
  readonly id: string
  readonly bytes: Uint8Array
  element(): Element
}

export type StanzaKind = 'message' | 'presence' | 'iq'

/**
 * What a peer sent, as a stanza, or the rule that it breaks. Whether it may say so (the domains of its stream) is the
 * stream's to judge. Never throws.
 */
export function stanzaFromScanned(scanned: ScannedElement): Stanza | Violation {
  const kind = scanned.name
  if (scanned.namespace !== NS.server) return foreignRoot(scanned)
  if (scanned.prefix !== '') return PREFIXED
  if (!isStanzaKind(kind)) return UNKNOWN_KIND

  const from = address(scanned.recurring('from'))
  if (from === null) return BAD_FROM
  const to = address(scanned.recurring('to'))
  if (to === null) return BAD_TO

  const type = scanned.recurring('type') ?? ''
  if (kind === 'iq') {
    if (scanned.attribute('id') === undefined) return IQ_WITHOUT_ID
    if (!isIqType(type)) return IQ_TYPE
  }
  return new ScannedStanza(kind, from, to, type, scanned)
}

export function isViolation(result: Stanza | Violation): result is Violation {
  return 'condition' in result
}

/** An iq that must be answered exactly once (SZ-10). */
export function isRequest(stanza: Stanza): boolean {
  return stanza.kind === 'iq' && (stanza.type === 'get' || stanza.type === 'set')
}

/** Whether an error may be sent in answer: never for an error, nor for an iq result (SZ-11). */
export function isAnswerable(stanza: Stanza): boolean {
  return stanza.type !== 'error' && !(stanza.kind === 'iq' && stanza.type === 'result')
}

/** A class for its shape only: one small object a stanza, no closure. */
class ScannedStanza implements Stanza {
  readonly kind: StanzaKind
  readonly from: Jid
  readonly to: Jid
  readonly type: string
  readonly bytes: Uint8Array
  readonly #scanned: ScannedElement

  constructor(kind: StanzaKind, from: Jid, to: Jid, type: string, scanned: ScannedElement) {
    this.kind = kind
    this.from = from
    this.to = to
    this.type = type
    this.bytes = scanned.canonical()
    this.#scanned = scanned
  }

  /** Read when asked for: seldom on the way of a stanza that only passes. */
  get id(): string {
    return this.#scanned.attribute('id') ?? ''
  }

  element(): Element {
    return this.#scanned.element()
  }
}

/** Absent and empty are no address; what is one, RFC 7622 says. */
function address(text: string | undefined): Jid | null {
  return text === undefined || text === '' ? null : parseWireJid(text)
}

function isStanzaKind(name: string): name is StanzaKind {
  return name === 'message' || name === 'presence' || name === 'iq'
}

function isIqType(type: string): boolean {
  return type === 'get' || type === 'set' || type === 'result' || type === 'error'
}

function foreignRoot(scanned: ScannedElement): Violation {
  // SZ-07: the content namespace of another kind of stream; anything else is no stanza at all (SE-24).
  if (scanned.namespace === NS.client && isStanzaKind(scanned.name)) return CLIENT_NAMESPACE
  return UNKNOWN_KIND
}

const violation = (condition: Violation['condition'], rule: Violation['rule'], detail: string): Violation =>
  Object.freeze({ condition, rule, detail })

const CLIENT_NAMESPACE = violation('invalid-namespace', 'SZ-07', 'a stanza in jabber:client')
const PREFIXED = violation('bad-namespace-prefix', 'SZ-08', 'a stanza with a prefix')
const UNKNOWN_KIND = violation('unsupported-stanza-type', 'SE-24', 'an element that is no stanza')
const BAD_FROM = violation('improper-addressing', 'SZ-01', 'a stanza without a valid from')
const BAD_TO = violation('improper-addressing', 'SZ-01', 'a stanza without a valid to')
const IQ_WITHOUT_ID = violation('invalid-xml', 'SZ-10', 'an iq without id')
const IQ_TYPE = violation('invalid-xml', 'SZ-10', 'an iq whose type is not get, set, result or error')

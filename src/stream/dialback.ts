import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Element, ScannedElement } from '../xml/index.ts'
import {
  type Domain,
  type DomainPair,
  element,
  NS,
  parseDomain,
  STANZA_CONDITIONS,
  type StanzaCondition,
  type Violation,
} from '../xmpp/index.ts'
import { english, plainText } from './errors.ts'
import type { Verification } from './machine.ts'

// Server dialback (XEP-0220) as values: what is said, and the keys that are shown. Who waits for what is the machines'.

/** What keys are made with: the hex text of SHA-256(secret) (XEP-0185 §2). */
export type DialbackSecret = string & { readonly [isSecret]: true }
declare const isSecret: unique symbol

/** @param secret a configured text, or at least 32 random bytes (DB-02) */
export function dialbackSecret(secret: string | Uint8Array): DialbackSecret {
  return createHash('sha256').update(secret).digest('hex') as DialbackSecret
}

/** DB-01: for a stream from `originating` to `receiving` whose header from there has `id`. */
export function dialbackKey(
  secret: DialbackSecret,
  { receiving, originating, id }: { receiving: string; originating: string; id: string },
): string {
  return createHmac('sha256', secret).update(`${receiving} ${originating} ${id}`).digest('hex')
}

/** What the originating domain's own server said of a key, or why it could not be asked (DB-27). */
export type DialbackOutcome =
  | {
      readonly type: 'valid'
      readonly evidence: string
      /** where the evidence ends, ms since the epoch; absent: it does not */
      readonly notAfterMs?: number
    }
  | { readonly type: 'invalid' }
  | {
      readonly type: 'error'
      readonly condition: StanzaCondition
      /** what happened, for whoever has shown the key */
      readonly text?: string
    }

/** `<db:result/>` or `<db:verify/>` without a type. */
export interface DialbackRequest {
  readonly name: 'result' | 'verify'
  /** as they stand there: the answer has the same (DB-25) */
  readonly from: string
  readonly to: string
  /** null where they are no domains */
  readonly pair: DomainPair | null
  /** '' on a result, which has none */
  readonly id: string
  readonly key: string
}

/** The same with a type. */
export interface DialbackAnswer {
  readonly name: 'result' | 'verify'
  readonly pair: DomainPair | null
  readonly id: string
  readonly type: 'valid' | 'invalid' | 'error'
  /** of an error */
  readonly condition: StanzaCondition
  /** beside the condition; '' for none */
  readonly text: string
}

export type ReadDialback =
  | ({ readonly kind: 'request' } & DialbackRequest)
  | ({ readonly kind: 'answer' } & DialbackAnswer)
  | { readonly kind: 'violation'; readonly violation: Violation }

export function readDialback(scanned: ScannedElement): ReadDialback {
  const { name } = scanned
  if (name !== 'result' && name !== 'verify') return { kind: 'violation', violation: UNKNOWN }
  const from = scanned.attribute('from') ?? ''
  const to = scanned.attribute('to') ?? ''
  const id = scanned.attribute('id')
  const type = scanned.attribute('type')
  if (type === undefined && (from === '' || to === '' || (name === 'verify' && id === undefined)))
    return { kind: 'violation', violation: UNADDRESSED }
  const [remote, local] = [parseDomain(from), parseDomain(to)]
  const pair = local === null || remote === null ? null : { local, remote }
  const read = { name, id: id ?? '', pair } as const
  if (type === undefined) return { kind: 'request', ...read, from, to, key: textOf(scanned.element()) }
  const isKnown = type === 'valid' || type === 'invalid'
  if (isKnown) return { kind: 'answer', ...read, type, condition: 'undefined-condition', text: '' }
  return { kind: 'answer', ...read, type: 'error', ...errorOf(scanned.element()) }
}

/**
 * The authoritative side (PROTOCOL E.3): whether a key that somebody was shown is ours. Nothing is remembered.
 * @param secret null: we show no keys, so none is ours
 * @param isOurs whether we speak for the domain
 */
export function answerVerify(
  request: DialbackRequest,
  secret: DialbackSecret | null,
  isOurs: (domain: Domain) => boolean,
): Element {
  const { from, to, pair, id, key } = request
  if (pair === null || !isOurs(pair.local)) return answerElement(request, ITEM_NOT_FOUND)
  if (secret === null) return answerElement(request, INVALID)
  // DB-03: as they were written, or as we write them ourselves: a peer may spell them in another way than we did.
  const isValid =
    isSame(key, dialbackKey(secret, { receiving: from, originating: to, id })) ||
    isSame(key, dialbackKey(secret, { receiving: pair.remote, originating: pair.local, id }))
  return answerElement(request, isValid ? VALID : INVALID)
}

/** Where nobody is proven by dialback: a certificate is demanded, or the domain is none of ours (DB-28). */
export function refuseResult(request: DialbackRequest, isOurs: (domain: Domain) => boolean): Element {
  const { pair } = request
  const isLocal = pair !== null && isOurs(pair.local)
  return answerElement(request, isLocal ? NOT_AUTHORIZED : ITEM_NOT_FOUND)
}

/** DB-10 */
export function resultElement({ local, remote }: DomainPair, key: string): Element {
  return dialback('result', { from: local, to: remote }, [key])
}

/** DB-11, DB-03: of the letters that the key came with. */
export function verifyElement({ from, to, id, key }: Omit<Verification, 'pair'>): Element {
  return dialback('verify', { from: to, to: from, id }, [key])
}

/** DB-10 to DB-12: the addresses swapped, as they stood. */
export function answerElement(
  { name, from, to, id }: Pick<DialbackRequest, 'name' | 'from' | 'to' | 'id'>,
  outcome: Outcome,
): Element {
  const { type } = outcome
  const attributes = { from: to, to: from, id: name === 'verify' ? id : undefined, type }
  return dialback(name, attributes, outcome.type === 'error' ? [dialbackError(outcome)] : [])
}

type Outcome =
  | { readonly type: 'valid' | 'invalid' }
  | { readonly type: 'error'; readonly condition: StanzaCondition; readonly text?: string }

const VALID: Outcome = { type: 'valid' }
const INVALID: Outcome = { type: 'invalid' }
const NOT_AUTHORIZED: Outcome = { type: 'error', condition: 'not-authorized' }
const ITEM_NOT_FOUND: Outcome = { type: 'error', condition: 'item-not-found' }

/** DB-40: how many answers that nobody asked for are no accident. */
export const UNSOLICITED_MAX = 3

export const UNSOLICITED: Violation = Object.freeze({
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

/** DB-04 */
function isSame(shown: string, key: string): boolean {
  const [a, b] = [Buffer.from(shown), Buffer.from(key)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function dialback(
  name: 'result' | 'verify',
  attributes: Readonly<Record<string, string | undefined>>,
  children: readonly (Element | string)[],
): Element {
  const plain = element(name, NS.dialback, attributes, ...children)
  // DB-13: the second declaration is that of <error/>, and what known peers write themselves.
  return { ...plain, prefix: 'db', declarations: { '': NS.server } }
}

/** DB-12: in the content namespace. */
function dialbackError({ condition, text }: { condition: StanzaCondition; text?: string }): Element {
  const type = STANZA_CONDITIONS[condition]
  const words = text === undefined ? [] : [english('text', NS.stanzaErrors, text.slice(0, TEXT_CHARACTERS))]
  return element('error', NS.server, { type }, element(condition, NS.stanzaErrors), ...words)
}

/** A sentence; the elements of a stream that is not proven are small. */
const TEXT_CHARACTERS = 512

function errorOf(answer: Element): Pick<DialbackAnswer, 'condition' | 'text'> {
  let condition: StanzaCondition = 'undefined-condition'
  let text = ''
  for (const error of answer.children) {
    if (typeof error === 'string' || error.name !== 'error') continue
    for (const child of error.children) {
      if (typeof child === 'string') continue
      if (child.name === 'text') text = plainText(child)
      else if (isCondition(child.name)) condition = child.name
    }
  }
  return { condition, text }
}

function isCondition(name: string): name is StanzaCondition {
  return Object.hasOwn(STANZA_CONDITIONS, name)
}

/** DB-04: published samples have the key on a line of its own. */
function textOf({ children }: Element): string {
  return children
    .filter(child => typeof child === 'string')
    .join('')
    .trim()
}

import type { Element, ScannedElement } from '../xml/index.ts'
import {
  element,
  type Failure,
  NS,
  STANZA_CONDITIONS,
  type StanzaCondition,
  type Violation,
} from '../xmpp/index.ts'
import type { Management, StreamOutput } from './machine.ts'
import { NOTHING, writeElement } from './outputs.ts'

// Stream management (XEP-0198) as values: what is said. Who may say what when is the machines'; who counts is the caller.

export function enableElement(resume: boolean): Element {
  return element('enable', NS.sm, resume ? { resume: 'true' } : {})
}

/** SM-08: with the id by which it can be resumed, where there is one. */
export function enabledElement({ id, maxSeconds }: Omit<Enabled, 'type'>): Element {
  if (id === null) return element('enabled', NS.sm)
  const max = maxSeconds === null ? undefined : String(maxSeconds)
  return element('enabled', NS.sm, { id, resume: 'true', max })
}

export function resumeElement(previd: string, h: number): Element {
  return element('resume', NS.sm, { previd, h: String(h) })
}

export function resumedElement(previd: string, h: number): Element {
  return element('resumed', NS.sm, { previd, h: String(h) })
}

function failedElement(condition: StanzaCondition): Element {
  return element('failed', NS.sm, {}, element(condition, NS.stanzaErrors))
}

/** @param h handled of the peer's stanzas: 0 to 2^32-1 (SM-03) */
export function ackElement(h: number): Element {
  return element('a', NS.sm, { h: String(h) })
}

export function requestElement(): Element {
  return REQUEST
}

const REQUEST = element('r', NS.sm)

/** SM-02: the stream goes on. */
export const UNEXPECTED: readonly StreamOutput[] = refusal('unexpected-request')

export function refusal(condition: StanzaCondition): readonly StreamOutput[] {
  return Object.freeze([writeElement(failedElement(condition))])
}

/**
 * `<a/>` and `<r/>`, which both sides send (SM-05).
 * @returns null for another element
 */
export function acknowledging(
  scanned: ScannedElement,
  isOn: boolean,
): readonly StreamOutput[] | Violation | null {
  switch (scanned.name) {
    case 'a': {
      if (!isOn) return NOTHING
      const h = readHandled(scanned)
      return typeof h === 'number' ? [{ type: 'ack', h }] : h
    }
    case 'r':
      return isOn ? ACK_REQUEST : UNEXPECTED
    default:
      return null
  }
}

/** What is still heard where nothing can be answered any more: also a question says something. */
export function lastAck(scanned: ScannedElement): readonly StreamOutput[] {
  if (scanned.name === 'r') return LATE_ACK_REQUEST
  const h = scanned.name === 'a' ? readHandled(scanned) : NO_COUNT
  return typeof h === 'number' ? [{ type: 'ack', h }] : NOTHING
}

const LATE_ACK_REQUEST: readonly StreamOutput[] = Object.freeze([{ type: 'late-ack-request' }] as const)
const ACK_REQUEST: readonly StreamOutput[] = Object.freeze([{ type: 'ack-request' }] as const)

/** SM-09: the peer has acknowledged more than it was sent. */
export function handledTooHigh(h: number, sendCount: number): Failure {
  return {
    by: 'peer',
    kind: 'violation',
    condition: 'undefined-condition',
    rule: 'SM-09',
    detail: `it acknowledged ${h} stanzas where ${sendCount} had been sent`,
    application: {
      name: 'handled-count-too-high',
      namespace: NS.sm,
      attributes: { h: String(h), 'send-count': String(sendCount) },
    },
  }
}

type Enabled = Extract<Management, { type: 'enabled' }>
type Failed = Extract<Management, { type: 'failed' }>

export function isResumable(enable: ScannedElement): boolean {
  return isTrue(enable.attribute('resume'))
}

/** Resumable only where it says so, by an id of a length that is worth keeping. */
export function readEnabled(enabled: ScannedElement): Enabled {
  const id = enabled.attribute('id') ?? ''
  const max = enabled.attribute('max') ?? ''
  const isUsable = isTrue(enabled.attribute('resume')) && id !== '' && Buffer.byteLength(id) <= ID_BYTES
  return {
    type: 'enabled',
    id: isUsable ? id : null,
    maxSeconds: /^\d{1,15}$/.test(max) ? Number(max) : null,
  }
}

/** XEP-0198 allows no longer ones. */
const ID_BYTES = 4_000

/** `<failed/>` says what was handled only where the peer still knows. */
export function readFailed(failed: ScannedElement): Failed | Violation {
  const h = failed.attribute('h') === undefined ? null : readHandled(failed)
  if (h !== null && typeof h !== 'number') return h
  let condition: StanzaCondition = 'undefined-condition'
  for (const child of failed.element().children) {
    if (typeof child === 'string' || child.namespace !== NS.stanzaErrors) continue
    if (isCondition(child.name)) condition = child.name
  }
  return { type: 'failed', h, condition }
}

/** SM-03: how many the peer has handled, modulo 2^32. */
export function readHandled(scanned: ScannedElement): number | Violation {
  const h = scanned.attribute('h') ?? ''
  if (!/^\d{1,10}$/.test(h)) return NO_COUNT
  const count = Number(h)
  return count < HANDLED_MODULUS ? count : NO_COUNT
}

/** Counts of handled stanzas wrap here (SM-03). */
export const HANDLED_MODULUS = 2 ** 32

const NO_COUNT: Violation = Object.freeze({
  condition: 'invalid-xml',
  rule: 'SM-03',
  detail: 'a count of handled stanzas that is no number of 32 bits',
})

function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1'
}

function isCondition(name: string): name is StanzaCondition {
  return Object.hasOwn(STANZA_CONDITIONS, name)
}

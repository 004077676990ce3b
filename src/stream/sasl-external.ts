import type { Element, ScannedElement } from '../xml/index.ts'
import { type Domain, element, NS, parseDomain, SASL_CONDITIONS, type SaslCondition } from '../xmpp/index.ts'
import { plainText } from './errors.ts'

// SASL EXTERNAL (RFC 6120 §6, XEP-0178): the certificate is the credential, the authzid says as whom.

export const EXTERNAL = 'EXTERNAL'

/** SA-04, SA-05: with the authzid, which XEP-0178 asks for. */
export function authElement(from: Domain): Element {
  return element('auth', NS.sasl, { mechanism: EXTERNAL }, base64(from))
}

/** SA-07: to those who ask although it was said. */
export function responseElement(from: Domain): Element {
  return element('response', NS.sasl, {}, base64(from))
}

const CHALLENGE: Element = element('challenge', NS.sasl)
const SUCCESS: Element = element('success', NS.sasl)

export interface SaslFailure {
  readonly condition: SaslCondition
  readonly text: string
}

/** SA-11: what is unknown reads as not-authorized. */
export function readFailure(failure: Element): SaslFailure {
  let condition: SaslCondition = 'not-authorized'
  let text = ''
  for (const child of failure.children) {
    if (typeof child === 'string' || child.namespace !== NS.sasl) continue
    if (child.name === 'text') text = plainText(child)
    else condition = SASL_CONDITIONS.find(known => known === child.name) ?? condition
  }
  return { condition, text }
}

/** What the receiving side answers. */
export interface SaslAnswer {
  readonly type: 'challenge' | 'failure' | 'success'
  readonly element: Element
  /** whether it counts as an attempt: whatever does not go on with one */
  readonly isAttempt: boolean
}

/**
 * Answer a SASL element; null: it has no place on this side.
 * @param from whom the peer's certificate proves; null: nobody, so no mechanism was offered
 */
export function answerSasl(
  scanned: ScannedElement,
  from: Domain | null,
  challenged: boolean,
): SaslAnswer | null {
  switch (scanned.name) {
    case 'auth': {
      // SA-15: a second one starts anew.
      if (from === null || scanned.attribute('mechanism') !== EXTERNAL)
        return failed('invalid-mechanism', true)
      const data = dataOf(scanned.element())
      // SA-07: nothing at all is no response yet; '=' is an empty one.
      if (data === '') return { type: 'challenge', element: CHALLENGE, isAttempt: true }
      return judge(data, from, true)
    }
    case 'response':
      if (from === null || !challenged) return failed('malformed-request', true)
      return judge(dataOf(scanned.element()), from, false)
    case 'abort':
      return failed('aborted', !challenged)
    default:
      return null
  }
}

function judge(data: string | null, from: Domain, isAttempt: boolean): SaslAnswer {
  const fault = data === null ? 'malformed-request' : responseFault(data, from)
  return fault === null ? { type: 'success', element: SUCCESS, isAttempt } : failed(fault, isAttempt)
}

function failed(condition: SaslCondition, isAttempt: boolean): SaslAnswer {
  return { type: 'failure', element: failureElement(condition), isAttempt }
}

function failureElement(condition: SaslCondition): Element {
  return element('failure', NS.sasl, {}, element(condition, NS.sasl))
}

/** null: something else than text */
function dataOf(carrier: Element): string | null {
  return carrier.children.every(child => typeof child === 'string') ? carrier.children.join('') : null
}

/**
 * Whether a response speaks for `from`: null, or why not.
 * SA-05, SA-06: nothing ('=') or exactly the stream's from, even where the certificate bears other names too.
 */
function responseFault(data: string, from: Domain): SaslCondition | null {
  if (data === '' || data === '=') return null
  if (!BASE64.test(data)) return 'incorrect-encoding'
  const bytes = Buffer.from(data, 'base64')
  // SA-08: pad bits that are not zero, too, make another text of it.
  if (bytes.toString('base64') !== data) return 'incorrect-encoding'
  const authzid = utf8(bytes)
  return authzid !== null && parseDomain(authzid) === from ? null : 'invalid-authzid'
}

const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    // Not UTF-8: no domain, then.
    return null
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

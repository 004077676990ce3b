import type { XmlViolation } from '../xml/index.ts'
import type { Violation } from '../xmpp/index.ts'
import type { Decoded } from './frame.ts'

/** What is told to a peer whose message is above the limit (WS-49); for transports that notice before the codec. */
export const OVERSIZE: Violation = Object.freeze({
  condition: 'policy-violation',
  rule: 'WS-49',
  detail: 'stanza too large',
  application: 'stanza-too-big',
})

/** A refusal by the scanner, as the stream is told. */
export function refused({ condition, rule, detail, limit }: XmlViolation): Decoded {
  return { type: 'violation', violation: limit === 'bytes' ? OVERSIZE : { condition, rule, detail } }
}

export function violation(
  condition: Violation['condition'],
  rule: Violation['rule'],
  detail: string,
): Decoded {
  return { type: 'violation', violation: { condition, rule, detail } }
}

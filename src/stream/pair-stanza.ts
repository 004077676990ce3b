import type { ScannedElement } from '../xml/index.ts'
import {
  type DomainPair,
  isViolation,
  type Stanza,
  stanzaFromScanned,
  type Violation,
} from '../xmpp/index.ts'

/** A stanza that the peer may say on a stream of `pair`, or the rule that it breaks. The path of every stanza. */
export function pairStanza(scanned: ScannedElement, pair: DomainPair): Stanza | Violation {
  const stanza = stanzaFromScanned(scanned)
  if (isViolation(stanza)) return stanza
  if (stanza.from.domain !== pair.remote) return FOREIGN_FROM
  if (stanza.to.domain !== pair.local) return FOREIGN_TO
  return stanza
}

const FOREIGN_FROM: Violation = Object.freeze({
  condition: 'invalid-from',
  rule: 'SZ-02',
  detail: 'a stanza from a domain that is not proven on this stream',
})

// SZ-04: nor is it passed on to whoever serves that domain.
const FOREIGN_TO: Violation = Object.freeze({
  condition: 'host-unknown',
  rule: 'SZ-03',
  detail: 'a stanza to a domain that is not of this stream',
})

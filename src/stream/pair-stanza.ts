import type { ScannedElement } from '../xml/index.ts'
import {
  type DomainPair,
  isViolation,
  type Stanza,
  stanzaFromScanned,
  type Violation,
} from '../xmpp/index.ts'
import type { StanzasTo } from './machine.ts'

/** Whose stanzas a stream takes (DB-30). */
export interface Takes {
  /** at least one */
  readonly pairs: readonly DomainPair[]
  readonly to: StanzasTo
}

/** A stanza that the peer may say on its stream, or the rule that it breaks. The path of every stanza. */
export function takenStanza(scanned: ScannedElement, { pairs, to }: Takes): Stanza | Violation {
  const stanza = stanzaFromScanned(scanned)
  if (isViolation(stanza)) return stanza
  let isFrom = false
  for (const { local, remote } of pairs) {
    if (stanza.from.domain !== remote) continue
    if (to === 'anybody' || stanza.to.domain === local) return stanza
    isFrom = true
  }
  return isFrom ? FOREIGN_TO : FOREIGN_FROM
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

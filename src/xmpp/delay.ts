import { element, stanzaFromElement } from './compose.ts'
import { NS } from './namespaces.ts'
import type { Stanza } from './stanza.ts'

/**
 * The stanza with a note of when it was first sent (XEP-0203 §2). An iq has no place for one, and what bears one says more
 * already: both come back as they are.
 * @param sentMs wall clock, milliseconds since 1970
 */
export function delayed(stanza: Stanza, sentMs: number): Stanza {
  if (stanza.kind === 'iq') return stanza
  const tree = stanza.element()
  if (tree.children.some(child => typeof child !== 'string' && child.namespace === NS.delay)) return stanza
  const stamp = `${new Date(sentMs).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length)}Z`
  const note = element('delay', NS.delay, { from: stanza.from.domain, stamp })
  return stanzaFromElement({ ...tree, children: [...tree.children, note] })
}

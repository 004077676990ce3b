import type { Element } from '../xml/index.ts'
import { element, NS } from '../xmpp/index.ts'
import { limitsElement, NO_LIMITS, type OwnLimits, readLimits } from './features.ts'
import type { PeerLimits } from './machine.ts'

// The request for stanzas both ways (XEP-0288). There is no answer to it.

/** LI-02: who will be sent stanzas says here, once for the stream, how long they may be. */
export function bidiElement(limits: OwnLimits): Element {
  return element('bidi', NS.bidi, {}, limitsElement(limits))
}

/** The limits that a request brings. */
export function readBidi(request: Element): PeerLimits {
  for (const child of request.children) {
    if (typeof child !== 'string' && child.namespace === NS.limits && child.name === 'limits')
      return readLimits(child)
  }
  return NO_LIMITS
}

import {
  type DocumentOptions,
  isXmlViolation,
  type ScannedElement,
  scanDocument,
  serialize,
  type XmlLimits,
} from '../xml/index.ts'
import { NS } from '../xmpp/index.ts'
import type { Codec, Decoded, OutgoingFrame } from './frame.ts'
import { attribute, dialbackPrefix, headerAttributes, readHeader } from './header.ts'
import { refused, violation } from './violation.ts'

/** One message, one element (RFC 7395 §3.3), in the namespaces of XEP-0468. */
export function webSocketCodec(limits: XmlLimits): Codec {
  return new WebSocketCodec(limits)
}

class WebSocketCodec implements Codec {
  #limits: XmlLimits
  /** what is bound where a message uses it without declaring it */
  #options: DocumentOptions = DIALBACK
  #refused = false

  constructor(limits: XmlLimits) {
    this.#limits = limits
  }

  decode(message: Uint8Array): readonly Decoded[] {
    if (this.#refused) return []
    const scanned = scanDocument(message, this.#limits, this.#options)
    const decoded = isXmlViolation(scanned) ? refused(scanned) : this.#toFrame(scanned)
    this.#refused = decoded.type === 'violation'
    return [decoded]
  }

  encode(frame: OutgoingFrame): Uint8Array | string {
    switch (frame.type) {
      case 'stanza':
        return frame.bytes
      case 'element':
        return serialize(frame.element)
      case 'open': // WS-29: self-closed, a space after the name
        return `<open xmlns='${NS.framing}'${headerAttributes(frame.header)}/>`
      case 'close':
        return `<close xmlns='${NS.framing}'${attribute('see-other-uri', frame.seeOtherUri)}/>`
    }
  }

  setLimits(limits: XmlLimits): void {
    this.#limits = limits
  }

  /** Nothing to do: each message stands alone, and the next `<open/>` is one more of them. */
  restart(): void {}

  #toFrame(scanned: ScannedElement): Decoded {
    if (scanned.name === 'open') return this.#toOpen(scanned)
    if (scanned.name === 'close') return toClose(scanned)
    return { type: 'element', element: scanned }
  }

  #toOpen(scanned: ScannedElement): Decoded {
    if (scanned.namespace !== NS.framing)
      return violation('invalid-namespace', 'WS-30', 'an open in another namespace')
    if (!isPlain(scanned)) return violation('bad-format', 'WS-32', 'an open with a prefix or with content')
    const prefix = dialbackPrefix(scanned)
    if (prefix !== null && prefix !== 'db')
      this.#options = { prefixes: { ...DIALBACK.prefixes, [prefix]: NS.dialback } }
    return { type: 'open', header: readHeader(scanned, prefix !== null) }
  }
}

// COMPAT(xmpp-proxy, livechat): they declare the prefix of dialback on the header alone (QK-03).
const DIALBACK: DocumentOptions = { prefixes: { db: NS.dialback } }

function toClose(scanned: ScannedElement): Decoded {
  // COMPAT(xmpp-proxy): it closes s2s streams in the namespace of c2s (QK-01).
  if (scanned.namespace !== NS.framing && scanned.namespace !== NS.framingC2s)
    return violation('invalid-namespace', 'WS-30', 'a close in another namespace')
  if (!isPlain(scanned)) return violation('bad-format', 'WS-32', 'a close with a prefix or with content')
  const seeOtherUri = scanned.attribute('see-other-uri')
  return seeOtherUri === undefined ? { type: 'close' } : { type: 'close', seeOtherUri }
}

function isPlain(scanned: ScannedElement): boolean {
  return scanned.prefix === '' && scanned.element().children.length === 0
}

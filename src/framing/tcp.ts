import {
  type ScannedElement,
  type StreamEvent,
  StreamScanner,
  serialize,
  type XmlLimits,
} from '../xml/index.ts'
import { NS } from '../xmpp/index.ts'
import type { Codec, Decoded, OutgoingFrame } from './frame.ts'
import { dialbackPrefix, headerAttributes, readHeader } from './header.ts'
import { refused, violation } from './violation.ts'

/**
 * One document a stream (RFC 6120 §4.1): its start tag opens, its end tag closes.
 * @param content the namespace of its stanzas, declared on both headers
 */
export function tcpCodec(limits: XmlLimits, content: string = NS.server): Codec {
  return new TcpCodec(limits, content)
}

class TcpCodec implements Codec {
  readonly #scanner: StreamScanner
  readonly #content: string
  #over = false

  constructor(limits: XmlLimits, content: string) {
    this.#scanner = new StreamScanner(limits)
    this.#content = content
  }

  decode(chunk: Uint8Array): readonly Decoded[] {
    if (this.#over) return NOTHING
    const decoded: Decoded[] = []
    for (const event of this.#scanner.push(chunk)) {
      const frame = toFrame(event, this.#content)
      decoded.push(frame)
      if (frame.type === 'close' || frame.type === 'violation') {
        this.#over = true
        break
      }
    }
    return decoded
  }

  encode(frame: OutgoingFrame): Uint8Array | string {
    switch (frame.type) {
      case 'stanza':
        return frame.bytes
      case 'element':
        return serialize(frame.element)
      case 'open':
        return `<?xml version='1.0'?><stream:stream xmlns='${this.#content}' xmlns:stream='${NS.stream}'${headerAttributes(frame.header)}>`
      case 'close': // a redirect has no form on this wire
        return '</stream:stream>'
    }
  }

  setLimits(limits: XmlLimits): void {
    this.#scanner.setLimits(limits)
  }

  restart(): void {
    this.#scanner.restart()
  }
}

const NOTHING: readonly Decoded[] = []

function toFrame(event: StreamEvent, content: string): Decoded {
  switch (event.type) {
    case 'header':
      return toOpen(event.element, content)
    case 'element':
      return event
    case 'end':
      return { type: 'close' }
    case 'violation':
      return refused(event.violation)
  }
}

function toOpen(scanned: ScannedElement, content: string): Decoded {
  if (scanned.name !== 'stream') return violation('bad-format', 'WS-31', 'a document that is no stream')
  if (scanned.namespace !== NS.stream)
    return violation('invalid-namespace', 'WS-30', 'a stream header in another namespace')
  // RFC 6120 §4.8.3. A header that is itself unprefixed leaves the content namespace to each stanza.
  if (scanned.prefix !== '' && scanned.element().declarations[''] !== content)
    return violation('invalid-namespace', 'SZ-07', 'a stream of another content namespace')
  return { type: 'open', header: readHeader(scanned, dialbackPrefix(scanned) !== null) }
}

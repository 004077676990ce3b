import { type Element, type ScannedElement, serialize, type XmlLimits } from '../xml/index.ts'
import { NS, rescoped } from '../xmpp/index.ts'
import type { Codec, Decoded, OutgoingFrame } from './frame.ts'
import { respelled, rewritten } from './respell.ts'
import { tcpCodec } from './tcp.ts'
import { violation } from './violation.ts'

/**
 * The wire of a component (XEP-0114): that of TCP in a content namespace of its own. Inside, its elements are those of
 * jabber:server: what comes has changed when it is handed over, what goes changes as it leaves (CO-04, SZ-06).
 */
export function componentCodec(limits: XmlLimits): Codec {
  return new ComponentCodec(tcpCodec(limits, NS.component))
}

class ComponentCodec implements Codec {
  readonly #tcp: Codec
  #over = false

  constructor(tcp: Codec) {
    this.#tcp = tcp
  }

  decode(chunk: Uint8Array): readonly Decoded[] {
    const decoded: Decoded[] = []
    for (const frame of this.#tcp.decode(chunk)) {
      if (this.#over) break
      const inside = inward(frame)
      decoded.push(inside)
      if (inside.type === 'violation') this.#over = true
    }
    return decoded
  }

  encode(frame: OutgoingFrame): Uint8Array | string {
    switch (frame.type) {
      case 'stanza':
        return respelled(frame.bytes, NS.server, NS.component) ?? rewritten(frame.bytes, NS.component)
      case 'element':
        return frame.element.namespace === NS.server
          ? serialize(rescoped(frame.element, NS.component))
          : this.#tcp.encode(frame)
      case 'open':
      case 'close':
        return this.#tcp.encode(frame)
    }
  }

  setLimits(limits: XmlLimits): void {
    this.#tcp.setLimits(limits)
  }

  restart(): void {
    this.#tcp.restart()
  }
}

function inward(frame: Decoded): Decoded {
  if (frame.type !== 'element') return frame
  const { namespace } = frame.element
  if (namespace === NS.component) return { type: 'element', element: new Inside(frame.element) }
  // From here on it would pass for a component's own.
  if (namespace === NS.server) return violation('invalid-namespace', 'CO-01', 'an element in jabber:server')
  return frame
}

/** A component's element as one of jabber:server. */
class Inside implements ScannedElement {
  readonly namespace = NS.server
  readonly #received: ScannedElement
  #canonical: Uint8Array | undefined
  #element: Element | undefined

  constructor(received: ScannedElement) {
    this.#received = received
  }

  get name(): string {
    return this.#received.name
  }

  get prefix(): string {
    return this.#received.prefix
  }

  get receivedBytes(): number {
    return this.#received.receivedBytes
  }

  attribute(name: string, namespace?: string): string | undefined {
    return this.#received.attribute(name, namespace)
  }

  recurring(name: string): string | undefined {
    return this.#received.recurring(name)
  }

  canonical(): Uint8Array {
    this.#canonical ??=
      respelled(this.#received.canonical(), NS.component, NS.server) ?? serialize(this.element())
    return this.#canonical
  }

  element(): Element {
    this.#element ??= rescoped(this.#received.element(), NS.server)
    return this.#element
  }
}

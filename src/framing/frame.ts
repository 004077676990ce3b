import type { Element, ScannedElement, XmlLimits } from '../xml/index.ts'
import type { Violation } from '../xmpp/index.ts'

/** What `<open/>` or `<stream:stream>` says. Raw text: judging it is the stream's business. undefined = absent. */
export interface StreamHeader {
  readonly from?: string
  readonly to?: string
  readonly id?: string
  readonly version?: string
  readonly lang?: string
  /** declares the dialback namespace: the traditional sign of dialback support (WS-35) */
  readonly dialback: boolean
}

/** What both wires decode to: the stream cannot tell WebSocket from TCP. */
type Frame =
  | { readonly type: 'open'; readonly header: StreamHeader }
  | { readonly type: 'element'; readonly element: ScannedElement }
  | { readonly type: 'close'; readonly seeOtherUri?: string }

/** What streams write. A stanza goes out as the canonical bytes it came with. */
export type OutgoingFrame =
  | { readonly type: 'open'; readonly header: StreamHeader }
  | { readonly type: 'element'; readonly element: Element }
  | { readonly type: 'stanza'; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly seeOtherUri?: string }

export type Decoded = Frame | { readonly type: 'violation'; readonly violation: Violation }

/** One direction pair of one wire. Stateful only where the wire is (TCP: the open document). No I/O. */
export interface Codec {
  /**
   * WebSocket: `bytes` is one whole message, so exactly one result. TCP: any chunk, so none or many.
   * After a violation the codec yields nothing more. Never throws on peer data.
   */
  decode(bytes: Uint8Array): readonly Decoded[]
  /** UTF-8 bytes, or a string that the transport encodes. */
  encode(frame: OutgoingFrame): Uint8Array | string
  /** Limits grow once the stream is authenticated. Takes effect for the next element. */
  setLimits(limits: XmlLimits): void
  /** The stream restarts (WS-40): the next thing in each direction is a header. */
  restart(): void
}

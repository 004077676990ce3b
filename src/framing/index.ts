/**
 * framing: streams, elements and closes out of bytes and back, on both wires.
 * Not: what a header or an element means (stream/), well-formedness (xml/), sockets (transport/).
 *
 * Theory. A codec serves one transport. Decoding gives Frames, or one violation after which nothing more comes; what is
 * said about headers is raw text. Over WebSocket each message stands alone, and `<open/>` and `<close/>` frame the stream
 * (RFC 7395 §3 as changed by XEP-0468 §2); over TCP the stream is one document (RFC 6120 §4), whose header and end tag
 * become the same two frames. Elements and stanzas are written so that they stand alone on either wire. On the wire of a
 * component (XEP-0114), which is that of TCP, stanzas change their namespace on the way in and out (respell.ts).
 */
export { componentCodec } from './component.ts'
export type { Codec, Decoded, OutgoingFrame, StreamHeader } from './frame.ts'
export { isDialback } from './header.ts'
export { tcpCodec } from './tcp.ts'
export { OVERSIZE } from './violation.ts'
export { webSocketCodec } from './websocket.ts'

/**
 * xml: the XML that XMPP allows, read and written. One strict scanner for whole messages and for streams of chunks, the
 * element as bytes and as a tree, and the one way in which elements are written.
 *
 * It is not: stanzas or namespaces of XMPP (xmpp/), frames (framing/).
 *
 * Theory: bytes are judged once, where they come in; what was accepted is well-formed to every parser of XML 1.0, in any
 * edition, and its `canonical` bytes mean the same in a document of their own and inside any stream. DTDs, comments,
 * processing instructions and entities are not switched off: no code for them exists. A refusal is a value with the
 * stream error and the rule that say why.
 *
 * XML 1.0 and Namespaces in XML 1.0; RFC 6120 §11 (the subset), RFC 7395 §3.3.3 (messages that stand alone), RFC 3629.
 */
export { type DocumentOptions, isXmlViolation, scanDocument } from './document.ts'
export type { Attribute, Element } from './element.ts'
export { xmlLimits } from './limits.ts'
export type { ScannedElement, XmlLimits, XmlViolation } from './scanned.ts'
export { serialize } from './serialize.ts'
export { type StreamEvent, StreamScanner } from './stream.ts'

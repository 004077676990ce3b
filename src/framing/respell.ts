import { isXmlViolation, scanDocument, serialize, type XmlLimits } from '../xml/index.ts'
import { rescoped } from '../xmpp/index.ts'

/**
 * A stanza's canonical bytes in another content namespace (SZ-06), without a look at most of them: only the root's own
 * declaration is written anew. null where that is not certain to do, because something inside may name the namespace too,
 * or stand in it below an element of another one; then the tree decides.
 */
export function respelled(canonical: Uint8Array, from: string, to: string): Uint8Array | null {
  const bytes = Buffer.from(canonical.buffer, canonical.byteOffset, canonical.byteLength)
  const at = bytes.indexOf(from)
  if (at < 0 || bytes.includes(from, at + 1)) return null
  // A reference can spell any name, and below a prefixed element the root's default namespace goes on.
  if (bytes.includes('&#') || bytes.includes('xmlns:')) return null
  if (defaultDeclaration(bytes) !== at || isNameGoingOn(bytes[at + from.length])) return null
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(to), bytes.subarray(at + from.length)])
}

/** The same, whatever it says inside. `bytes` are canonical: that they could not be read would be our defect. */
export function rewritten(bytes: Uint8Array, to: string): Uint8Array {
  const scanned = scanDocument(bytes, UNLIMITED)
  if (isXmlViolation(scanned)) throw new TypeError(`no canonical bytes: ${scanned.detail}`)
  return serialize(rescoped(scanned.element(), to))
}

/** Where the value of the root's `xmlns` begins; -1 without one. The bytes are well-formed. */
function defaultDeclaration(bytes: Buffer): number {
  let at = 1
  while (!isEnd(bytes[at])) at++
  for (;;) {
    while (isSpace(bytes[at])) at++
    if (isEnd(bytes[at])) return -1
    const nameAt = at
    while (bytes[at] !== EQUALS && !isSpace(bytes[at])) at++
    const isDefault = at - nameAt === XMLNS.length && bytes.toString('latin1', nameAt, at) === XMLNS
    while (bytes[at] !== APOSTROPHE && bytes[at] !== QUOTE) at++
    if (isDefault) return at + 1
    at = bytes.indexOf(bytes[at] ?? QUOTE, at + 1) + 1
  }
}

function isNameGoingOn(byte: number | undefined): boolean {
  return byte !== APOSTROPHE && byte !== QUOTE
}

/** of a name in a tag, or of the tag */
function isEnd(byte: number | undefined): boolean {
  return byte === undefined || isSpace(byte) || byte === SOLIDUS || byte === GREATER
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

const XMLNS = 'xmlns'
const QUOTE = 0x22
const APOSTROPHE = 0x27
const SOLIDUS = 0x2f
const EQUALS = 0x3d
const GREATER = 0x3e

/** What has been judged already is not judged again. */
const UNLIMITED: XmlLimits = {
  bytes: Number.MAX_SAFE_INTEGER,
  depth: Number.MAX_SAFE_INTEGER,
  elements: Number.MAX_SAFE_INTEGER,
  attributes: Number.MAX_SAFE_INTEGER,
  namespaces: Number.MAX_SAFE_INTEGER,
  nameBytes: Number.MAX_SAFE_INTEGER,
}

import { isXmlViolation, scanDocument, serialize, type XmlLimits } from '../xml/index.ts'
import { rescoped } from '../xmpp/index.ts'

/**
 * The canonical bytes of an element of `from`, in another content namespace (SZ-06), without a look at their structure:
 * the root has to declare its namespace, so where the name stands once, it stands there. null where that is not certain to
 * do, because something inside may name it too, or stand in it below an element of another one; then the tree decides.
 */
export function respelled(canonical: Uint8Array, from: string, to: string): Uint8Array | null {
  const bytes = Buffer.from(canonical.buffer, canonical.byteOffset, canonical.byteLength)
  const at = bytes.indexOf(from)
  if (at < 0 || bytes.includes(from, at + 1)) return null
  // A reference can spell any name; and below an element with a prefix the root's default namespace goes on.
  if (bytes.includes('&#') || bytes.includes('xmlns:')) return null
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(to), bytes.subarray(at + from.length)])
}

/** The same, whatever it says inside. That canonical bytes could not be read would be our defect. */
export function rewritten(canonical: Uint8Array, to: string): Uint8Array {
  const scanned = scanDocument(canonical, UNLIMITED)
  if (isXmlViolation(scanned)) throw new TypeError(`no canonical bytes: ${scanned.detail}`)
  return serialize(rescoped(scanned.element(), to))
}

/** What has been judged already is not judged again. */
const UNLIMITED: XmlLimits = {
  bytes: Number.MAX_SAFE_INTEGER,
  depth: Number.MAX_SAFE_INTEGER,
  elements: Number.MAX_SAFE_INTEGER,
  attributes: Number.MAX_SAFE_INTEGER,
  namespaces: Number.MAX_SAFE_INTEGER,
  nameBytes: Number.MAX_SAFE_INTEGER,
}

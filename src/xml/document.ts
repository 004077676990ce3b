import type { ScannedElement, XmlLimits, XmlViolation } from './scanned.ts'
import { ELEMENT, FAILED, Scanner } from './scanner.ts'
import { type Context, contextOf, NO_CONTEXT } from './scope.ts'
import { toBuffer } from './text.ts'
import { FAULT, violationAt } from './violation.ts'

export interface DocumentOptions {
  /**
   * Prefixes that the element may use without declaring them, as if declared around it: prefix -> namespace.
   * What relies on them is re-serialised, so that its canonical bytes stand alone.
   */
  readonly prefixes?: Readonly<Record<string, string>>
}

/** Used again for each document: scanning is synchronous, and a new scanner costs as much as a small stanza. */
const scanner = new Scanner(
  { bytes: 0, depth: 0, elements: 0, attributes: 0, namespaces: 0, nameBytes: 0 },
  false,
)

/**
 * A whole WebSocket message, or another document: one element, nothing before it but an XML declaration (WS-23, WS-25),
 * nothing after it but white space. The bytes go over to the element: whoever gives them does not write to them again.
 */
export function scanDocument(
  bytes: Uint8Array,
  limits: XmlLimits,
  options?: DocumentOptions,
): ScannedElement | XmlViolation {
  scanner.setLimits(limits)
  scanner.reset(contextFrom(options))
  scanner.feed(toBuffer(bytes), bytes.length, 0)
  if (scanner.run() !== ELEMENT) return refusal(bytes.length)
  const element = scanner.take()
  if (!scanner.isAtEnd && scanner.run() === FAILED) return refusal(bytes.length)
  scanner.release()
  return element
}

export function isXmlViolation(result: ScannedElement | XmlViolation): result is XmlViolation {
  return 'condition' in result
}

function refusal(length: number): XmlViolation {
  const fault = scanner.fault ?? (scanner.isInside ? FAULT.unfinished : FAULT.empty)
  const violation = violationAt(scanner.fault === null ? length : scanner.offset, fault)
  scanner.release()
  return violation
}

function contextFrom(options: DocumentOptions | undefined): Context {
  const prefixes = options?.prefixes
  if (prefixes === undefined) return NO_CONTEXT
  let context = contexts.get(prefixes)
  if (context === undefined) {
    context = contextOf(Object.entries(prefixes))
    contexts.set(prefixes, context)
  }
  return context
}

/** A reader gives the same prefixes with each of its messages. */
const contexts = new WeakMap<Readonly<Record<string, string>>, Context>()

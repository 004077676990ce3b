import { isDialback } from '../framing/index.ts'
import type { ScannedElement } from '../xml/index.ts'
import { NS } from '../xmpp/index.ts'

/** What an element is to a stream, by its name alone. */
export type ElementKind =
  | 'stanza'
  | 'features'
  | 'error'
  | 'sasl'
  | 'dialback'
  | 'starttls'
  | 'bidi'
  | 'sm'
  /** in a namespace of the stream, where nothing else may be */
  | 'misplaced'
  | 'unknown'

export function kindOf({ name, namespace }: ScannedElement): ElementKind {
  if (namespace === NS.server) return 'stanza'
  switch (namespace) {
    case NS.stream:
      return name === 'features' || name === 'error' ? name : 'misplaced'
    case NS.sasl:
      return 'sasl'
    case NS.tls:
      return 'starttls'
    // BI-02: old servers mix the two up.
    case NS.bidi:
    case NS.bidiFeature:
      return 'bidi'
    case NS.sm:
      return 'sm'
    case NS.framing:
      return 'misplaced'
  }
  if (isDialback(namespace)) return 'dialback'
  // In another namespace it is still meant as one, and must not vanish.
  return name === 'message' || name === 'presence' || name === 'iq' ? 'stanza' : 'unknown'
}

import type { Limits } from '../base/index.ts'
import type { XmlLimits } from './scanned.ts'

/** What one element may be, before the peer is known and after. */
export function xmlLimits(limits: Limits, stage: 'before-authentication' | 'authenticated'): XmlLimits {
  const before = stage === 'before-authentication'
  return Object.freeze({
    bytes: before ? limits.preAuthStanzaBytes : limits.stanzaBytes,
    depth: before ? limits.preAuthStanzaDepth : limits.stanzaDepth,
    elements: before ? limits.preAuthStanzaElements : limits.stanzaElements,
    attributes: limits.elementAttributes,
    namespaces: limits.elementNamespaces,
    nameBytes: limits.nameBytes,
  })
}

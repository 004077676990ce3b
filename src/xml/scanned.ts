import type { Element } from './element.ts'

/** One complete top-level element that passed every check of the scanner. Immutable; owns its bytes. */
export interface ScannedElement {
  readonly name: string
  readonly namespace: string
  readonly prefix: string
  /** bytes as received, `<` to `>` */
  readonly receivedBytes: number
  /** value of an attribute of the root, references resolved and normalised; undefined where absent */
  attribute(name: string, namespace?: string): string | undefined
  /** The same, without a namespace, for a value that other elements are likely to have too: an address, a type. */
  recurring(name: string): string | undefined
  /**
   * Bytes that mean the same to any parser in any context (DECISIONS 6): the received ones where that is certain,
   * otherwise re-serialised from the infoset. UTF-8, no XML declaration, starts with `<`. Memoised; do not write to it.
   */
  canonical(): Uint8Array
  /** The tree, built on first use and kept. */
  element(): Element
}

export interface XmlLimits {
  /** of one top-level element, `<` to `>` */
  readonly bytes: number
  readonly depth: number
  /** elements in one top-level element, itself included */
  readonly elements: number
  /** attributes of one element, declarations not counted */
  readonly attributes: number
  /** namespace declarations on one element */
  readonly namespaces: number
  /** of one name, prefix included */
  readonly nameBytes: number
}

/** Why bytes were refused. `condition` is the stream error that says it (RFC 6120 §4.9.3). */
export interface XmlViolation {
  readonly condition:
    | 'not-well-formed'
    | 'restricted-xml'
    | 'unsupported-encoding'
    | 'bad-format'
    /** over a limit; `limit` says which */
    | 'policy-violation'
  readonly rule: `${'WS' | 'SZ' | 'XM'}-${number}`
  /** for a person; names the construct, never quotes the bytes */
  readonly detail: string
  readonly limit?: keyof XmlLimits
  /** byte offset in the element or stream where it was noticed */
  readonly offset: number
}

/**
 * An element of the infoset that XMPP allows: elements, attributes, text. Immutable.
 * Prefixes are kept as hints for the serializer; equality and lookup go by namespace and local name.
 */
export interface Element {
  readonly name: string
  /** namespace name; '' for none */
  readonly namespace: string
  /** preferred prefix; '' = default namespace */
  readonly prefix: string
  readonly attributes: readonly Attribute[]
  /** namespace declarations beyond those that names need: prefix -> namespace */
  readonly declarations: Readonly<Record<string, string>>
  readonly children: readonly (Element | string)[]
}

export interface Attribute {
  readonly name: string
  /** '' for the usual attribute without prefix */
  readonly namespace: string
  readonly prefix: string
  readonly value: string
}

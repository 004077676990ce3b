import type { XmlViolation } from './scanned.ts'

/** A refusal without the place where it was noticed. */
export type Fault = Omit<XmlViolation, 'offset'>

const fault = (condition: Fault['condition'], rule: Fault['rule'], detail: string): Fault =>
  Object.freeze({ condition, rule, detail })

const illFormed = (detail: string): Fault => fault('not-well-formed', 'XM-02', detail)
const restricted = (detail: string): Fault => fault('restricted-xml', 'XM-01', detail)
const overLimit = (limit: NonNullable<Fault['limit']>, detail: string): Fault =>
  Object.freeze({ condition: 'policy-violation', rule: limit === 'bytes' ? 'SZ-24' : 'XM-05', detail, limit })

/** Everything that the scanner refuses. */
export const FAULT = {
  // RFC 6120 §11.1
  comment: restricted('a comment'),
  instruction: restricted('a processing instruction, or an XML declaration that is not at the very start'),
  doctype: restricted('a document type declaration'),
  entity: restricted('a reference to an entity other than the five of XML'),
  version: fault('restricted-xml', 'XM-04', 'an XML version other than 1.0'),

  // encoding
  encoding: fault('unsupported-encoding', 'WS-25', 'a declared encoding other than UTF-8'),
  utf8: fault('unsupported-encoding', 'XM-03', 'bytes that are not UTF-8'),

  // what a message must be
  empty: fault('bad-format', 'WS-24', 'a message without an element'),
  start: fault('bad-format', 'WS-24', 'a message that does not start with <'),
  trailing: fault('not-well-formed', 'WS-21', 'more than one element in a message'),
  streamText: fault('bad-format', 'XM-02', 'text between the elements of a stream'),
  unfinished: illFormed('a message that ends inside its element'),
  restart: fault('bad-format', 'WS-40', 'an element that was begun before the stream was restarted'),

  // XML
  declaration: illFormed('a malformed XML declaration'),
  prolog: illFormed('text before the first element'),
  markup: illFormed('markup that is neither a tag nor CDATA'),
  name: illFormed('a character that no name may have there'),
  colons: illFormed('a name with two colons'),
  tag: illFormed('a malformed tag'),
  attributeSpace: illFormed('attributes without a space between them'),
  attributeValue: illFormed('an attribute without a quoted value'),
  valueLt: illFormed('an unescaped < in an attribute value'),
  character: illFormed('a character that XML does not allow'),
  reference: illFormed('a malformed reference'),
  referenced: illFormed('a reference to a character that XML does not allow'),
  cdataEnd: illFormed(']]> in text'),
  endTag: illFormed('an end tag that is not that of the open element'),
  unopened: illFormed('an end tag without an open element'),
  duplicate: fault('not-well-formed', 'XM-07', 'two attributes of one name'),

  // Namespaces in XML
  unbound: illFormed('a prefix that is not declared'),
  undeclare: illFormed('a prefix declared as nothing'),
  reserved: fault('not-well-formed', 'XM-07', 'a reserved prefix or namespace bound otherwise'),
  namespaceName: illFormed('a namespace name with a control character, or with white space around it'),

  // limits
  bytes: overLimit('bytes', 'an element larger than allowed'),
  depth: overLimit('depth', 'elements nested deeper than allowed'),
  elements: overLimit('elements', 'more elements in one than allowed'),
  attributes: overLimit('attributes', 'more attributes on one element than allowed'),
  namespaces: overLimit('namespaces', 'more namespace declarations on one element than allowed'),
  nameBytes: overLimit('nameBytes', 'a name longer than allowed'),
} as const satisfies Record<string, Fault>

export function violationAt(offset: number, fault: Fault): XmlViolation {
  return { ...fault, offset }
}

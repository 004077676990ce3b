export type { Attribute, Element } from './element.ts'
export type { ScannedElement, XmlLimits, XmlViolation } from './scanned.ts'

import { isNamespaceName, type Scope, XML_NAMESPACE, XMLNS_NAMESPACE } from './scope.ts'
import { decode, decodeValue, REFERENCED, SPACED, sameBytes, spells, WIDE } from './text.ts'
import { FAULT, type Fault } from './violation.ts'

// Where the attributes of a start tag stand: small integers in one array, no object an attribute.
// Positions count from the first byte of the top-level element.
export const STRIDE = 6
export const NAME_AT = 0
/** of the colon; -1 where there is no prefix */
export const COLON_AT = 1
export const NAME_END = 2
export const VALUE_AT = 3
export const VALUE_END = 4
export const FLAGS = 5

// Flags beside those of text.ts.
export const DEFAULT_DECLARATION = 8
export const PREFIX_DECLARATION = 16
const DECLARATION = DEFAULT_DECLARATION | PREFIX_DECLARATION

const X = 0x78
const BLANK = 0x20

/** Up to here names are compared in pairs. */
const FEW = 8

/** One start tag as the scanner reads it; used again for the next. */
export class StartTag {
  nameAt = 0
  colonAt = -1
  nameEnd = 0
  nameFlags = 0
  /** attributes and declarations */
  count = 0
  declarations = 0
  /** attributes with a prefix */
  prefixed = 0
  hasDefault = false
  /** of the element's prefix; null where it has none */
  namespace: string | null = null
  /** some prefix was declared outside the top-level element */
  inherits = false
  readonly table: number[] = []
  /** a bit for each name so far; two of one bit may be the same */
  #seen = 0
  #mayRepeat = false

  clear(): void {
    this.#seen = 0
    this.#mayRepeat = false
    this.count = 0
    this.declarations = 0
    this.prefixed = 0
    this.hasDefault = false
    this.inherits = false
  }

  /** Equal names have equal ends and lengths: most tags need no comparison. */
  suspect(first: number, last: number, length: number): void {
    const bit = 1 << ((first + 3 * last + 7 * length) & 31)
    if ((this.#seen & bit) !== 0) this.#mayRepeat = true
    this.#seen |= bit
  }

  /** What Namespaces in XML says about the tag. `origin`: first byte of the top-level element in `bytes`. */
  judge(bytes: Buffer, origin: number, scope: Scope): Fault | null {
    if (this.declarations > 0) {
      const fault = this.#declare(bytes, origin, scope)
      if (fault !== null) return fault
    }
    if (this.#mayRepeat && this.#hasDuplicate(bytes, origin)) return FAULT.duplicate
    if (this.prefixed > 0) {
      const fault = this.#resolve(bytes, origin, scope)
      if (fault !== null) return fault
    }
    this.namespace = null
    if (this.colonAt < 0) return null
    const prefixAt = this.nameAt + origin
    const binding = scope.find(bytes, prefixAt, this.colonAt + origin)
    if (binding === undefined) return FAULT.unbound
    if (binding.inherited) this.inherits = true
    this.namespace = binding.namespace
    return null
  }

  #declare(bytes: Buffer, origin: number, scope: Scope): Fault | null {
    for (let at = 0; at < this.count * STRIDE; at += STRIDE) {
      const flags = this.table[at + FLAGS] as number
      if ((flags & DECLARATION) === 0) continue
      const start = (this.table[at + VALUE_AT] as number) + origin
      const end = (this.table[at + VALUE_END] as number) + origin
      const fault =
        (flags & DEFAULT_DECLARATION) !== 0
          ? judgeDefault(bytes, start, end, flags)
          : this.#declarePrefix(bytes, origin, at, scope, decodeValue(bytes, start, end, flags))
      if (fault !== null) return fault
    }
    return null
  }

  #declarePrefix(bytes: Buffer, origin: number, at: number, scope: Scope, namespace: string): Fault | null {
    const start = (this.table[at + COLON_AT] as number) + origin + 1
    const prefix = bytes.toString('utf8', start, (this.table[at + NAME_END] as number) + origin)
    if (prefix === 'xml') return namespace === XML_NAMESPACE ? null : FAULT.reserved
    if (prefix === 'xmlns') return FAULT.reserved
    if (namespace === '') return FAULT.undeclare
    const fault = judgeNamespaceName(namespace)
    if (fault !== null) return fault
    scope.declare(prefix, namespace)
    return null
  }

  #hasDuplicate(bytes: Buffer, origin: number): boolean {
    if (this.count > FEW) return this.#hasDuplicateAmongMany(bytes, origin)
    const table = this.table
    for (let i = STRIDE; i < this.count * STRIDE; i += STRIDE) {
      const start = (table[i] as number) + origin
      const end = (table[i + NAME_END] as number) + origin
      for (let j = 0; j < i; j += STRIDE) {
        const other = (table[j] as number) + origin
        if (sameBytes(bytes, start, end, other, (table[j + NAME_END] as number) + origin)) return true
      }
    }
    return false
  }

  #hasDuplicateAmongMany(bytes: Buffer, origin: number): boolean {
    const names = new Set<string>()
    for (let at = 0; at < this.count * STRIDE; at += STRIDE) names.add(this.#name(bytes, origin, at, NAME_AT))
    return names.size < this.count
  }

  /** Prefixes of attributes, and their names once more as what they mean (Namespaces in XML §6.3). */
  #resolve(bytes: Buffer, origin: number, scope: Scope): Fault | null {
    const names = this.prefixed > 1 ? new Set<string>() : null
    for (let at = 0; at < this.count * STRIDE; at += STRIDE) {
      const colon = this.table[at + COLON_AT] as number
      if (colon < 0 || ((this.table[at + FLAGS] as number) & DECLARATION) !== 0) continue
      const binding = scope.find(bytes, (this.table[at + NAME_AT] as number) + origin, colon + origin)
      if (binding === undefined) return FAULT.unbound
      if (binding.inherited) this.inherits = true
      names?.add(`${scope.idOf(binding)} ${this.#name(bytes, origin + 1, at, COLON_AT)}`)
    }
    return names !== null && names.size < this.prefixed ? FAULT.duplicate : null
  }

  /** latin1: a character a byte, so that equal strings are equal bytes. */
  #name(bytes: Buffer, origin: number, at: number, from: number): string {
    const start = (this.table[at + from] as number) + origin
    const end = (this.table[at + NAME_END] as number) + (from === COLON_AT ? origin - 1 : origin)
    return bytes.toString('latin1', start, end)
  }
}

/** A string is made only where the value could be one of those that are refused. */
function judgeDefault(bytes: Buffer, start: number, end: number, flags: number): Fault | null {
  if ((flags & (REFERENCED | SPACED | WIDE)) !== 0)
    return judgeNamespaceName(decodeValue(bytes, start, end, flags))
  if (bytes[start] === BLANK || bytes[end - 1] === BLANK) return FAULT.namespaceName
  const length = end - start
  if (length !== XML_NAMESPACE.length && length !== XMLNS_NAMESPACE.length) return null
  return judgeNamespaceName(decode(bytes, start, end, flags))
}

function judgeNamespaceName(namespace: string): Fault | null {
  if (namespace === XML_NAMESPACE || namespace === XMLNS_NAMESPACE) return FAULT.reserved
  return isNamespaceName(namespace) ? null : FAULT.namespaceName
}

/** What kind of declaration an attribute's name makes; 0 for none. */
export function declarationKind(bytes: Uint8Array, start: number, colon: number, end: number): number {
  if (bytes[start] !== X) return 0
  if (colon < 0) return spells(bytes, start, end, 'xmlns') ? DEFAULT_DECLARATION : 0
  return spells(bytes, start, colon, 'xmlns') ? PREFIX_DECLARATION : 0
}

import type { Element } from './element.ts'
import { recurring } from './recurring.ts'
import type { ScannedElement } from './scanned.ts'
import type { RootTag } from './scanner.ts'
import type { Context } from './scope.ts'
import { serialize } from './serialize.ts'
import {
  COLON_AT,
  DEFAULT_DECLARATION,
  FLAGS,
  NAME_AT,
  NAME_END,
  PREFIX_DECLARATION,
  STRIDE,
  VALUE_AT,
  VALUE_END,
} from './start-tag.ts'
import { decode, decodeValue, REFERENCED, SPACED, spells, WIDE } from './text.ts'
import { buildTree } from './tree.ts'

const LONGEST_HEAD = 512

/** An element as a range of bytes. Strings and the tree are made when somebody asks. */
export class BytesElement implements ScannedElement {
  readonly #bytes: Buffer
  readonly #root: RootTag
  readonly #attributes: readonly number[]
  readonly #context: Context
  /** the bytes mean the same everywhere (DECISIONS 6) */
  readonly #isCertain: boolean
  #canonical: Uint8Array | undefined
  #element: Element | undefined
  #head: string | undefined
  #name: string | undefined
  #namespace: string | undefined

  /** @param bytes the element's own */
  constructor(bytes: Buffer, root: RootTag, context: Context, isCertain: boolean) {
    this.#bytes = bytes
    this.#root = root
    this.#attributes = root.attributes
    this.#context = context
    this.#isCertain = isCertain
  }

  get name(): string {
    if (this.#name === undefined) {
      const { nameAt, colonAt, nameEnd, nameFlags } = this.#root
      this.#name = recurring(this.#bytes, colonAt < 0 ? nameAt : colonAt + 1, nameEnd, nameFlags)
    }
    return this.#name
  }

  get prefix(): string {
    const { nameAt, colonAt, nameFlags } = this.#root
    return colonAt < 0 ? '' : recurring(this.#bytes, nameAt, colonAt, nameFlags)
  }

  get namespace(): string {
    this.#namespace ??= this.#root.namespace ?? this.#defaultDeclaration()
    return this.#namespace
  }

  get receivedBytes(): number {
    return this.#bytes.length
  }

  attribute(name: string, namespace = ''): string | undefined {
    if (namespace !== '') return this.#qualifiedAttribute(name, namespace)
    const at = this.#placeOf(name)
    if (at >= 0) return this.#value(at)
    return isAscii(name) ? undefined : this.#find(name, '')
  }

  recurring(name: string): string | undefined {
    const at = this.#placeOf(name)
    if (at < 0) return isAscii(name) ? undefined : this.#find(name, '')
    const flags = this.#attributes[at + FLAGS] as number
    if ((flags & (REFERENCED | SPACED)) !== 0) return this.#value(at)
    const start = this.#attributes[at + VALUE_AT] as number
    return recurring(this.#bytes, start, this.#attributes[at + VALUE_END] as number, flags)
  }

  canonical(): Uint8Array {
    this.#canonical ??= this.#isCertain ? this.#bytes : serialize(this.element())
    return this.#canonical
  }

  element(): Element {
    this.#element ??= buildTree(this.#bytes, this.#context)
    return this.#element
  }

  /** Name of the root as it stands, a copy; for its end tag. */
  rawName(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#root.nameAt, this.#root.nameEnd))
  }

  /** Namespaces that the root declares: [prefix, name], '' for the default. */
  *declarations(): Generator<readonly [string, string]> {
    const table = this.#attributes
    for (let at = 0; at < table.length; at += STRIDE) {
      const flags = table[at + FLAGS] as number
      if ((flags & DEFAULT_DECLARATION) !== 0) yield ['', this.#value(at)]
      if ((flags & PREFIX_DECLARATION) === 0) continue
      const start = (table[at + COLON_AT] as number) + 1
      const prefix = decode(this.#bytes, start, table[at + NAME_END] as number, WIDE)
      if (prefix !== 'xml') yield [prefix, this.#value(at)]
    }
  }

  /** Of an attribute without prefix, in the table; -1 where there is none, or its name is beyond ASCII. */
  #placeOf(name: string): number {
    const table = this.#attributes
    const bytes = this.#bytes
    const first = name.charCodeAt(0)
    for (let at = 0; at < table.length; at += STRIDE) {
      const start = table[at + NAME_AT] as number
      if ((table[at + NAME_END] as number) - start !== name.length) continue
      // a prefixed name is none of these, nor is a declaration
      if (bytes[start] !== first || (table[at + COLON_AT] as number) >= 0 || isDeclaration(table, at))
        continue
      if (spells(bytes, start, start + name.length, name)) return at
    }
    return -1
  }

  #value(at: number): string {
    const table = this.#attributes
    const flags = table[at + FLAGS] as number
    const start = table[at + VALUE_AT] as number
    const end = table[at + VALUE_END] as number
    if ((flags & (REFERENCED | SPACED | WIDE)) !== 0) return decodeValue(this.#bytes, start, end, flags)
    this.#head ??= this.#decodeHead()
    return end <= this.#head.length ? this.#head.slice(start, end) : decode(this.#bytes, start, end, flags)
  }

  /**
   * The root's attributes as one string, of which values are parts: one call into the runtime for all of them. Not if they
   * are long, because each part keeps the whole alive.
   */
  #decodeHead(): string {
    const table = this.#attributes
    const end = table[table.length - STRIDE + VALUE_END] as number
    return end > LONGEST_HEAD ? '' : decode(this.#bytes, 0, end, 0)
  }

  #defaultDeclaration(): string {
    const table = this.#attributes
    for (let at = 0; at < table.length; at += STRIDE) {
      const flags = table[at + FLAGS] as number
      if ((flags & DEFAULT_DECLARATION) === 0) continue
      const start = table[at + VALUE_AT] as number
      const end = table[at + VALUE_END] as number
      return (flags & (REFERENCED | SPACED)) === 0
        ? recurring(this.#bytes, start, end, flags)
        : decodeValue(this.#bytes, start, end, flags)
    }
    return ''
  }

  /** By way of the tree, unless no attribute has a prefix at all or it is xml:lang, which needs no declaration. */
  #qualifiedAttribute(name: string, namespace: string): string | undefined {
    const table = this.#attributes
    for (let at = 0; at < table.length; at += STRIDE) {
      if ((table[at + COLON_AT] as number) >= 0 && !isDeclaration(table, at))
        return this.#find(name, namespace)
    }
    return undefined
  }

  #find(name: string, namespace: string): string | undefined {
    return this.element().attributes.find(
      attribute => attribute.name === name && attribute.namespace === namespace,
    )?.value
  }
}

function isDeclaration(table: readonly number[], at: number): boolean {
  return ((table[at + FLAGS] as number) & (DEFAULT_DECLARATION | PREFIX_DECLARATION)) !== 0
}

/** Of a name that somebody asks for: a short one. */
function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

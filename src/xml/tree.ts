import type { Attribute, Element } from './element.ts'
import { type Context, Scope } from './scope.ts'
import { decode, decodeText, decodeValue, normaliseLines, REFERENCED, SPACED, WIDE } from './text.ts'

/**
 * The tree of bytes that the scanner accepted; it checks nothing. A start tag alone, that of a stream, is an element
 * without content.
 */
export function buildTree(bytes: Buffer, context: Context): Element {
  return new TreeBuilder(bytes, context).build()
}

interface Growing extends Element {
  readonly children: (Element | string)[]
}

const LT = 0x3c
const GT = 0x3e
const SOLIDUS = 0x2f
const BANG = 0x21
const EQ = 0x3d
const COLON = 0x3a
const CDATA_LENGTH = '<![CDATA['.length

class TreeBuilder {
  readonly #bytes: Buffer
  readonly #scope = new Scope()
  readonly #open: { element: Growing; mark: number }[] = []
  #root: Growing | undefined
  #position = 0

  constructor(bytes: Buffer, context: Context) {
    this.#bytes = bytes
    this.#scope.enter(context)
  }

  build(): Element {
    const bytes = this.#bytes
    while (this.#position < bytes.length) {
      if (bytes[this.#position] !== LT) this.#text()
      else if (bytes[this.#position + 1] === SOLIDUS) this.#endTag()
      else if (bytes[this.#position + 1] === BANG) this.#cdata()
      else this.#startTag()
    }
    if (this.#root === undefined) throw new TypeError('no element in scanned bytes')
    return this.#root
  }

  #text(): void {
    const start = this.#position
    const end = this.#bytes.indexOf(LT, start)
    this.#position = end < 0 ? this.#bytes.length : end
    this.#append(decodeText(this.#bytes, start, this.#position))
  }

  #cdata(): void {
    const start = this.#position + CDATA_LENGTH
    const end = this.#bytes.indexOf(']]>', start)
    this.#position = end + 3
    this.#append(normaliseLines(decode(this.#bytes, start, end, WIDE)))
  }

  /** Text on both sides of a CDATA border is one text. */
  #append(text: string): void {
    const children = this.#open.at(-1)?.element.children
    if (children === undefined || text === '') return
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + text
    else children.push(text)
  }

  #endTag(): void {
    this.#position = this.#bytes.indexOf(GT, this.#position) + 1
    this.#close()
  }

  #close(): void {
    const closed = this.#open.pop()
    if (closed !== undefined) this.#scope.leave(closed.mark)
  }

  #startTag(): void {
    const bytes = this.#bytes
    const mark = this.#scope.mark
    this.#position++
    const [prefix, name] = this.#name()
    const raw = this.#rawAttributes()
    const isEmpty = bytes[this.#position] === SOLIDUS
    this.#position += isEmpty ? 2 : 1
    const element = this.#element(prefix, name, raw)
    const parent = this.#open.at(-1)
    if (parent !== undefined) parent.element.children.push(element)
    this.#root ??= element
    this.#open.push({ element, mark })
    if (isEmpty) this.#close()
  }

  /** Prefix and local part, up to what ends a name in a tag. */
  #name(): [string, string] {
    const bytes = this.#bytes
    const start = this.#position
    let colon = -1
    let at = start
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte === COLON) colon = at
      else if (byte <= 0x20 || byte === EQ || byte === SOLIDUS || byte === GT) break
    }
    this.#position = at
    const local = decode(bytes, colon < 0 ? start : colon + 1, at, WIDE)
    return [colon < 0 ? '' : decode(bytes, start, colon, WIDE), local]
  }

  #rawAttributes(): readonly (readonly [prefix: string, name: string, value: string])[] {
    const bytes = this.#bytes
    const raw: (readonly [string, string, string])[] = []
    for (;;) {
      this.#skipSpace()
      const byte = bytes[this.#position]
      if (byte === GT || byte === SOLIDUS || byte === undefined) return raw
      const [prefix, name] = this.#name()
      this.#skipSpace()
      this.#position++ // =
      this.#skipSpace()
      const start = this.#position + 1
      const end = bytes.indexOf(bytes[this.#position] as number, start)
      this.#position = end + 1
      raw.push([prefix, name, decodeValue(bytes, start, end, WIDE | SPACED | REFERENCED)])
    }
  }

  #skipSpace(): void {
    while ((this.#bytes[this.#position] ?? 0xff) <= 0x20) this.#position++
  }

  #element(
    prefix: string,
    name: string,
    raw: readonly (readonly [prefix: string, name: string, value: string])[],
  ): Growing {
    const declared = new Map<string, string>()
    for (const [attributePrefix, attributeName, value] of raw) {
      const key = declaredPrefix(attributePrefix, attributeName)
      if (key === null || key === 'xml') continue
      this.#scope.declare(key, value)
      declared.set(key, value)
    }
    declared.delete(prefix)
    const attributes: Attribute[] = []
    for (const [attributePrefix, attributeName, value] of raw) {
      if (declaredPrefix(attributePrefix, attributeName) !== null) continue
      const namespace = attributePrefix === '' ? '' : this.#namespace(attributePrefix)
      attributes.push({ name: attributeName, namespace, prefix: attributePrefix, value })
      if (attributePrefix !== '') declared.delete(attributePrefix)
    }
    const namespace = this.#namespace(prefix)
    return { name, namespace, prefix, attributes, declarations: Object.fromEntries(declared), children: [] }
  }

  #namespace(prefix: string): string {
    return this.#scope.get(prefix)?.namespace ?? ''
  }
}

/** What a namespace declaration declares; null for an attribute. */
function declaredPrefix(prefix: string, name: string): string | null {
  if (prefix === 'xmlns') return name
  return prefix === '' && name === 'xmlns' ? '' : null
}

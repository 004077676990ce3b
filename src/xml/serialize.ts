import type { Attribute, Element } from './element.ts'
import { isName } from './name.ts'
import { isNamespaceName, XML_NAMESPACE, XMLNS_NAMESPACE } from './scope.ts'

/**
 * The one way in which we write an element. It stands alone anywhere: its namespace is declared on it, every prefix inside.
 * What XML cannot carry is written as U+FFFD (XM-06), what parsers would normalise as a reference.
 * @throws TypeError for what no caller may ask: a name that is none, two attributes of one name
 */
export function serialize(element: Element): Uint8Array {
  const parts: string[] = []
  write(element, undefined, parts)
  return Buffer.from(parts.join(''))
}

/** Declarations of an open element: prefix -> namespace. Nothing is known of what stands around the outermost. */
interface Declared {
  readonly own: ReadonlyMap<string, string>
  readonly outer: Declared | undefined
}

function write(element: Element, outer: Declared | undefined, parts: string[]): void {
  const tag = new TagWriter(outer)
  const prefix = tag.elementPrefix(element)
  const name = qualified(prefix, element.name)
  const attributes = tag.attributes(element.attributes)
  tag.declare(element.declarations)
  parts.push('<', name, tag.declarations(), attributes)
  if (element.children.length === 0) {
    parts.push('/>')
    return
  }
  parts.push('>')
  for (const child of element.children) {
    if (typeof child === 'string') parts.push(escapeText(child))
    else write(child, tag.scope, parts)
  }
  parts.push('</', name, '>')
}

/** Prefixes of one tag: the hints where they can be had, others where they cannot. */
class TagWriter {
  readonly #outer: Declared | undefined
  readonly #own = new Map<string, string>()
  /** prefixes that names of this tag rely on */
  readonly #used = new Set<string>()

  constructor(outer: Declared | undefined) {
    this.#outer = outer
  }

  get scope(): Declared | undefined {
    return this.#own.size === 0 ? this.#outer : { own: this.#own, outer: this.#outer }
  }

  elementPrefix({ namespace, prefix }: Element): string {
    if (namespace === XML_NAMESPACE) return 'xml'
    assertNamespace(namespace)
    const wanted = namespace === '' || !isUsable(prefix) ? '' : prefix
    this.#bind(wanted, namespace)
    return wanted
  }

  attributes(attributes: readonly Attribute[]): string {
    if (attributes.length === 0) return ''
    const seen = new Set<string>()
    let text = ''
    for (const { name, namespace, prefix, value } of attributes) {
      const key = `${name} ${namespace}`
      if (seen.has(key)) throw new TypeError(`two attributes of one name: ${JSON.stringify(name)}`)
      seen.add(key)
      if (namespace === '' && name === 'xmlns') throw new TypeError('xmlns is no attribute')
      text += ` ${qualified(this.#attributePrefix(namespace, prefix), name)}='${escapeValue(value)}'`
    }
    return text
  }

  declare(declarations: Element['declarations']): void {
    for (const [prefix, namespace] of Object.entries(declarations)) {
      if (prefix !== '' && (!isUsable(prefix) || namespace === '')) continue
      if (namespace === XML_NAMESPACE || namespace === XMLNS_NAMESPACE || this.#used.has(prefix)) continue
      if (this.#lookup(prefix) !== namespace) this.#own.set(prefix, namespace)
    }
  }

  declarations(): string {
    let text = ''
    for (const [prefix, namespace] of this.#own) {
      text +=
        prefix === '' ? ` xmlns='${escapeValue(namespace)}'` : ` xmlns:${prefix}='${escapeValue(namespace)}'`
    }
    return text
  }

  #attributePrefix(namespace: string, hint: string): string {
    if (namespace === '') return ''
    if (namespace === XML_NAMESPACE) return 'xml'
    assertNamespace(namespace)
    for (let i = -1; ; i++) {
      const prefix = i < 0 ? hint : `ns${i}`
      if (!isUsable(prefix)) continue
      if (this.#used.has(prefix) && this.#lookup(prefix) !== namespace) continue
      this.#bind(prefix, namespace)
      return prefix
    }
  }

  #bind(prefix: string, namespace: string): void {
    this.#used.add(prefix)
    if (this.#lookup(prefix) !== namespace) this.#own.set(prefix, namespace)
  }

  #lookup(prefix: string): string | undefined {
    let found = this.#own.get(prefix)
    for (let at = this.#outer; found === undefined && at !== undefined; at = at.outer)
      found = at.own.get(prefix)
    return found
  }
}

function isUsable(prefix: string): boolean {
  return prefix !== 'xml' && prefix !== 'xmlns' && isName(prefix)
}

function assertNamespace(namespace: string): void {
  if (namespace === XMLNS_NAMESPACE || !isNamespaceName(namespace)) {
    throw new TypeError(`no namespace name: ${JSON.stringify(namespace)}`)
  }
}

function qualified(prefix: string, name: string): string {
  if (!isName(name)) throw new TypeError(`no name: ${JSON.stringify(name)}`)
  return prefix === '' ? name : `${prefix}:${name}`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

// Everything outside XML 1.0 Char, surrogates that stand alone included.
const NO_CHARACTER = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
const NO_CHARACTERS = new RegExp(NO_CHARACTER, 'gu')

function escapeText(text: string): string {
  const clean = NO_CHARACTER.test(text) ? text.replace(NO_CHARACTERS, '\ufffd') : text
  return /[&<>\r]/.test(clean) ? clean.replace(/[&<>\r]/g, character => ESCAPES[character] ?? '') : clean
}

/** No `>` either: a peer looks for it as text (QK-08). */
function escapeValue(value: string): string {
  const clean = NO_CHARACTER.test(value) ? value.replace(NO_CHARACTERS, '\ufffd') : value
  return /[&<>'\t\n\r]/.test(clean)
    ? clean.replace(/[&<>'\t\n\r]/g, character => ESCAPES[character] ?? '')
    : clean
}

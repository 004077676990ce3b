export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'
export const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/'

/**
 * Whether all parsers read the same name. Some trim white space around it. ejabberd's divides names from namespaces by a
 * line feed: one inside, which only a reference can make, would end a stream that we share with others there.
 */
export function isNamespaceName(text: string): boolean {
  return text === text.trim() && !/[\t\n\r]/.test(text)
}

/** One declaration in scope. */
export interface Binding {
  readonly prefix: string
  readonly namespace: string
  /** what the prefix meant outside */
  readonly outer: Binding | undefined
  /** declared outside the element: its bytes do not stand alone */
  readonly inherited: boolean
  /** equal for equal namespaces of one element; -1 until asked for */
  id: number
}

/** What is in scope around an element: that of the stream's root. '' is the default namespace. */
export type Context = ReadonlyMap<string, Binding>

export const NO_CONTEXT: Context = new Map()

const XML_BINDING: Binding = {
  prefix: 'xml',
  namespace: XML_NAMESPACE,
  outer: undefined,
  inherited: false,
  id: 0,
}

export function contextOf(declarations: Iterable<readonly [string, string]>): Context {
  const context = new Map<string, Binding>()
  for (const [prefix, namespace] of declarations) {
    context.set(prefix, { prefix, namespace, outer: undefined, inherited: true, id: -1 })
  }
  return context
}

/**
 * Namespaces in scope. Found by maps of strings, whose hash the engine seeds: a peer can choose its prefixes, not where
 * they lie. A look-up costs the same at any depth (XM-05).
 */
export class Scope {
  #context: Context = NO_CONTEXT
  readonly #bindings: Binding[] = []
  readonly #byPrefix = new Map<string, Binding>()
  readonly #ids = new Map<string, number>()
  #last: Binding | undefined

  /** Begin outside a top-level element. */
  enter(context: Context): void {
    if (this.#bindings.length > 0) this.leave(0)
    if (this.#ids.size > 0) this.#ids.clear()
    this.#context = context
    this.#last = undefined
  }

  /** Where to come back to with `leave`. */
  get mark(): number {
    return this.#bindings.length
  }

  declare(prefix: string, namespace: string): void {
    const binding = { prefix, namespace, outer: this.#byPrefix.get(prefix), inherited: false, id: -1 }
    this.#bindings.push(binding)
    this.#byPrefix.set(prefix, binding)
    this.#last = undefined
  }

  leave(mark: number): void {
    while (this.#bindings.length > mark) {
      const binding = this.#bindings.pop()
      if (binding === undefined) return
      if (binding.outer === undefined) this.#byPrefix.delete(binding.prefix)
      else this.#byPrefix.set(binding.prefix, binding.outer)
    }
    this.#last = undefined
  }

  get(prefix: string): Binding | undefined {
    if (prefix === 'xml') return XML_BINDING
    return this.#byPrefix.get(prefix) ?? this.#context.get(prefix)
  }

  /** By the bytes of a prefix. The last answer is kept: one prefix is seldom used once. */
  find(bytes: Buffer, start: number, end: number): Binding | undefined {
    const last = this.#last
    if (last !== undefined && isAt(bytes, start, end, last.prefix)) return last
    const found = this.get(bytes.toString('utf8', start, end))
    this.#last = found
    return found
  }

  /** Names of namespaces are compared once a declaration, not once a use: they may be long. */
  idOf(binding: Binding): number {
    if (binding.id >= 0) return binding.id
    let id = this.#ids.get(binding.namespace)
    if (id === undefined) {
      id = this.#ids.size + 1
      this.#ids.set(binding.namespace, id)
    }
    if (!binding.inherited) binding.id = id
    return id
  }
}

/** False for a prefix beyond ASCII, which is then looked up again. */
function isAt(bytes: Uint8Array, start: number, end: number, prefix: string): boolean {
  if (end - start !== prefix.length) return false
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[start + i] !== prefix.charCodeAt(i)) return false
  }
  return true
}

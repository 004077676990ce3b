import { defaultLimits } from '../base/index.ts'
import { type Attribute, type Element, serialize } from '../xml/index.ts'
import { STANZA_CONDITIONS, type StanzaCondition, type StanzaErrorType } from './conditions.ts'
import { formatJid, type Jid, parseJid } from './jid.ts'
import { NS } from './namespaces.ts'
import { isAnswerable, isRequest, type Stanza, type StanzaKind } from './stanza.ts'

// Stanzas that start here: written by bots, hosts and ourselves. Misuse is a defect of the caller: TypeError.

/** An address as text or as read. */
export type Address = string | Jid

export interface StanzaFields {
  readonly from: Address
  readonly to: Address
  readonly id?: string
  readonly lang?: string
  readonly payload?: Element | readonly Element[]
}

export function message(fields: StanzaFields & { readonly type?: string; readonly body?: string }): Stanza {
  const body = fields.body === undefined ? [] : [element('body', NS.server, {}, fields.body)]
  return compose('message', fields, fields.type ?? '', [...body, ...payloads(fields.payload)])
}

export function presence(fields: StanzaFields & { readonly type?: string }): Stanza {
  return compose('presence', fields, fields.type ?? '', payloads(fields.payload))
}

export function iq(
  fields: StanzaFields & { readonly type: 'get' | 'set'; readonly id: string; readonly payload: Element },
): Stanza {
  return compose('iq', fields, fields.type, [fields.payload])
}

/** The answer to an iq get or set: id copied, addresses swapped (SZ-10). */
export function resultOf(request: Stanza, payload?: Element): Stanza {
  if (!isRequest(request))
    throw new TypeError(`only an iq get or set has a result, not ${request.kind} ${request.type}`)
  return compose('iq', { from: request.to, to: request.from, id: request.id }, 'result', payloads(payload))
}

export interface StanzaError {
  readonly condition: StanzaCondition
  /** by default the condition's own (RFC 6120 §8.3.3) */
  readonly type?: StanzaErrorType
  /** for a person, in English */
  readonly text?: string
}

/**
 * The error stanza that returns `stanza` to its sender (SZ-22); null where it must not be answered (SZ-11).
 * An iq keeps its payload unless it is large; a message and a presence come back without theirs.
 */
export function bounce(
  stanza: Stanza,
  error: StanzaError,
  maxStanzaBytes: number = defaultLimits.bouncedStanzaBytes,
): Stanza | null {
  if (!isAnswerable(stanza)) return null
  const kept =
    stanza.kind === 'iq' && stanza.bytes.length <= maxStanzaBytes ? childElements(stanza.element()) : []
  const fields = { from: stanza.to, to: stanza.from, id: stanza.id }
  return compose(stanza.kind, fields, 'error', [...kept, errorElement(error)])
}

/**
 * A stanza out of a tree in jabber:server, jabber:client or jabber:component:accept; it leaves in jabber:server.
 * @throws TypeError where the tree is no stanza, or its addresses are none
 */
export function stanzaFromElement(tree: Element): Stanza {
  if (!CONTENT_NAMESPACES.has(tree.namespace))
    throw new TypeError(`no content namespace: '${tree.namespace}'`)
  const kind = tree.name
  if (kind !== 'message' && kind !== 'presence' && kind !== 'iq') throw new TypeError(`no stanza: <${kind}/>`)
  const plain = (name: string) =>
    tree.attributes.find(attribute => attribute.namespace === '' && attribute.name === name)?.value
  const type = plain('type') ?? ''
  const id = plain('id')
  if (kind === 'iq' && (id === undefined || !['get', 'set', 'result', 'error'].includes(type))) {
    throw new TypeError('an iq needs an id, and type get, set, result or error')
  }
  const from = required('from', plain('from') ?? '')
  const to = required('to', plain('to') ?? '')
  const { children } = rescoped(tree, NS.server)
  const others = tree.attributes.filter(({ name, namespace }) => namespace !== '' || !COMMON.has(name))
  return built(
    kind,
    from,
    to,
    type,
    id,
    [...common(from, to, id, type), ...others],
    children,
    tree.declarations,
  )
}

/**
 * The stanza's tree in another content namespace (SZ-06): the stanza and what inherited from it, nothing inside elements
 * of other namespaces, such as a forwarded stanza.
 */
export function rescoped(tree: Element, namespace: string): Element {
  return moved(tree, tree.namespace, namespace)
}

/** An element in `namespace`, for payloads. Empty and absent attributes differ: undefined leaves one out. */
export function element(
  name: string,
  namespace: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly (Element | string)[]
): Element {
  const list: Attribute[] = []
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) list.push({ name: key, namespace: '', prefix: '', value })
  }
  return { name, namespace, prefix: '', attributes: list, declarations: {}, children }
}

const CONTENT_NAMESPACES: ReadonlySet<string> = new Set([NS.server, NS.client, NS.component])
const COMMON: ReadonlySet<string> = new Set(['from', 'to', 'id', 'type'])

function compose(
  kind: StanzaKind,
  fields: StanzaFields,
  type: string,
  children: readonly (Element | string)[],
): Stanza {
  const from = required('from', fields.from)
  const to = required('to', fields.to)
  const attributes = common(from, to, fields.id, type)
  if (fields.lang !== undefined) {
    attributes.push({ name: 'lang', namespace: NS.xml, prefix: 'xml', value: fields.lang })
  }
  return built(kind, from, to, type, fields.id, attributes, children, {})
}

function built(
  kind: StanzaKind,
  from: Jid,
  to: Jid,
  type: string,
  id: string | undefined,
  attributes: readonly Attribute[],
  children: readonly (Element | string)[],
  declarations: Element['declarations'],
): Stanza {
  const tree: Element = { name: kind, namespace: NS.server, prefix: '', attributes, declarations, children }
  return Object.freeze({ kind, from, to, type, id: id ?? '', bytes: serialize(tree), element: () => tree })
}

/** In the order of the examples in the RFC. */
function common(from: Jid, to: Jid, id: string | undefined, type: string): Attribute[] {
  const attributes = [plainAttribute('from', formatJid(from)), plainAttribute('to', formatJid(to))]
  if (id !== undefined) attributes.push(plainAttribute('id', id))
  if (type !== '') attributes.push(plainAttribute('type', type))
  return attributes
}

function plainAttribute(name: string, value: string): Attribute {
  return { name, namespace: '', prefix: '', value }
}

function required(role: 'from' | 'to', address: Address): Jid {
  const jid = typeof address === 'string' ? parseJid(address) : address
  if (jid === null) throw new TypeError(`${role} is not a JID: ${JSON.stringify(address)}`)
  return jid
}

function payloads(given: StanzaFields['payload']): readonly Element[] {
  if (given === undefined) return []
  return 'children' in given ? [given] : given
}

function childElements(tree: Element): readonly Element[] {
  return tree.children.filter(child => typeof child !== 'string')
}

function errorElement(error: StanzaError): Element {
  const condition = element(error.condition, NS.stanzaErrors)
  const type = error.type ?? STANZA_CONDITIONS[error.condition]
  if (error.text === undefined || error.text === '') return element('error', NS.server, { type }, condition)
  const text: Element = {
    ...element('text', NS.stanzaErrors, {}, error.text),
    attributes: [{ name: 'lang', namespace: NS.xml, prefix: 'xml', value: 'en' }],
  }
  return element('error', NS.server, { type }, condition, text)
}

function moved(tree: Element, from: string, to: string): Element {
  const children = tree.children.map(child =>
    typeof child === 'string' || child.namespace !== from ? child : moved(child, from, to),
  )
  return { ...tree, namespace: to, prefix: '', children }
}

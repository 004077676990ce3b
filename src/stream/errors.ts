import type { Element } from '../xml/index.ts'
import {
  element,
  type Failure,
  NS,
  STREAM_CONDITIONS,
  type StreamCondition,
  type Violation,
} from '../xmpp/index.ts'

/** `<stream:error/>` with its condition, and our words for a person (PROTOCOL B.3). */
export function errorElement(told: Pick<Violation, 'condition' | 'detail' | 'application'>): Element {
  const children = [element(told.condition, NS.streamErrors)]
  if (told.detail !== '') children.push(english('text', NS.streamErrors, told.detail))
  if (told.application !== undefined) children.push(applicationElement(told.application))
  return { ...element('error', NS.stream, {}, ...children), prefix: 'stream' }
}

function applicationElement(application: NonNullable<Violation['application']>): Element {
  if (typeof application === 'string') return element(application, NS.errors)
  return element(application.name, application.namespace, application.attributes)
}

/** What the peer reported. Its text is data: cut, never interpreted. */
export function readError(error: Element): Failure {
  let condition: StreamCondition = 'undefined-condition'
  let detail = ''
  for (const child of error.children) {
    if (typeof child === 'string' || child.namespace !== NS.streamErrors) continue
    if (child.name === 'text') detail = plainText(child)
    else condition = CONDITIONS.get(child.name) ?? condition
  }
  return { by: 'peer', kind: 'reported', condition, detail }
}

export function violated(condition: StreamCondition, rule: Violation['rule'], detail: string): Failure {
  return { by: 'peer', kind: 'violation', condition, rule, detail }
}

/** Text for a person, in the language of all our texts. */
export function english(name: string, namespace: string, text: string): Element {
  const lang = { name: 'lang', namespace: NS.xml, prefix: 'xml', value: 'en' }
  return { ...element(name, namespace, {}, text), attributes: [lang] }
}

/** A peer's text for a person, on one line and of a length that fits into one. */
export function plainText(of: Element): string {
  const text = of.children.filter(child => typeof child === 'string').join('')
  return text.slice(0, PEER_TEXT_CHARACTERS).replace(/\s+/g, ' ').trim()
}

// Not a limit of the protocol: how much of a peer's sentence goes into logs and bounces.
const PEER_TEXT_CHARACTERS = 256

const CONDITIONS: ReadonlyMap<string, StreamCondition> = new Map([
  ...STREAM_CONDITIONS.map(condition => [condition, condition] as const),
  // SE-13: its name before RFC 6120.
  ['xml-not-well-formed', 'not-well-formed'],
])

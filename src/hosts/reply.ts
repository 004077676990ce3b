import type { Element } from '../xml/index.ts'
import { message, NS, type Stanza, toBare } from '../xmpp/index.ts'

/** What a bot says; to whom, and in which conversation, its message's sender has settled. */
export interface Reply {
  readonly body?: string
  readonly payload?: Element | readonly Element[]
}

/** The message that answers `original`: addresses swapped; type, id, thread and language kept. */
export function replyTo(original: Stanza, reply: string | Reply): Stanza {
  const { body, payload = [] } = typeof reply === 'string' ? { body: reply } : reply
  const tree = original.element()
  const thread = tree.children.filter(child => isChild(child, 'thread'))
  const lang = tree.attributes.find(({ name, namespace }) => name === 'lang' && namespace === NS.xml)?.value
  return message({
    from: original.to,
    // What a room says is answered to the room.
    to: original.type === 'groupchat' ? toBare(original.from) : original.from,
    type: original.type,
    payload: [...('children' in payload ? [payload] : payload), ...thread],
    ...(original.id === '' ? {} : { id: original.id }),
    ...(lang === undefined ? {} : { lang }),
    ...(body === undefined ? {} : { body }),
  })
}

/** The first body's text; '' where there is none. */
export function bodyOf(message: Stanza): string {
  const body = message.element().children.find(child => isChild(child, 'body'))
  return body === undefined || typeof body === 'string' ? '' : body.children.join('')
}

/** A child in the content namespace. */
export function isChild(child: Element | string, name: string): child is Element {
  return typeof child !== 'string' && child.name === name && child.namespace === NS.server
}

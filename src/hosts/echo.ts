import type { Limits } from '../base/index.ts'
import { element as el, formatJid, type Stanza, toBare } from '../xmpp/index.ts'
import { isChild, replyTo } from './reply.ts'

export const ECHO_ACCOUNT = 'echo'

type EchoLimits = Pick<Limits, 'echoSenders' | 'echoRepeats'>

/** Says that a robot wrote this, so that no other answers it. */
const MARK = 'urn:isthmus:echo'

/**
 * Answers messages with their own bodies, and never for ever: another echo of this kind knows ours by the mark; one that
 * copies the body only says the same over and over, and is left alone after `echoRepeats` times.
 */
export class Echo {
  /** by bare JID, least recent first */
  readonly #last = new Map<string, { readonly fingerprint: number; readonly count: number }>()

  /** The answer; null where none is due. */
  answer(message: Stanza, limits: EchoLimits): Stanza | null {
    // What a room repeats, and news that wants no reply (RFC 6121 §5.2.2).
    if (message.type === 'groupchat' || message.type === 'headline') return null
    const { children } = message.element()
    const bodies = children.filter(child => isChild(child, 'body'))
    if (bodies.length === 0) return null // chat states, receipts
    if (children.some(child => typeof child !== 'string' && child.namespace === MARK)) return null
    if (this.#repeats(message, bodies.map(body => body.children.join('')).join('\n'), limits)) return null
    return replyTo(message, { payload: [...bodies, el('echo', MARK)] })
  }

  #repeats(message: Stanza, text: string, limits: EchoLimits): boolean {
    const sender = formatJid(toBare(message.from))
    const fingerprint = hash(text)
    const last = this.#last.get(sender)
    const count = last?.fingerprint === fingerprint ? last.count + 1 : 1
    this.#last.delete(sender)
    this.#last.set(sender, { fingerprint, count })
    if (this.#last.size > limits.echoSenders) {
      for (const [oldest] of this.#last) {
        this.#last.delete(oldest)
        break
      }
    }
    return count > limits.echoRepeats
  }
}

/** FNV-1a over UTF-16 units: to compare texts without keeping them. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value
}

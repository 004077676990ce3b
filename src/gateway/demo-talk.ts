import type { Clock, Random } from '../base/index.ts'
import type { Element } from '../xml/index.ts'
import { element, iq, message, NS, type Stanza } from '../xmpp/index.ts'
import type { DemoHost } from './demo-host.ts'

/** One who takes part in the demo's conversation. */
export interface Speaker {
  readonly domain: string
  readonly host: DemoHost
  /** localpart */
  readonly person: string
}

/** Something that has arrived. */
export interface Line {
  readonly from: string
  readonly to: string
  /** as it was received; null for a ping */
  readonly text: string | null
  /** from sending to arrival; for a ping, to its answer */
  readonly ms: number
}

export interface Conversation {
  readonly stanzas: { readonly sent: number; readonly delivered: number; readonly bounced: number }
  /** how often the connections were cut meanwhile; absent: they were left alone */
  readonly cuts?: number
  /** why not everything arrived; null: it did */
  readonly problem: string | null
}

export interface TalkOptions {
  readonly onLine: (line: Line) => void
  readonly signal: AbortSignal
  readonly random: Random
  readonly clock: Clock
}

/** Words both ways, then a ping. Ends at the first thing that comes back as an error. */
export async function converse(first: Speaker, second: Speaker, options: TalkOptions): Promise<Conversation> {
  const talk = new Talk(options)
  let problem: string | null = null
  for (const [index, text] of SCRIPT.entries()) {
    problem ??= index % 2 === 0 ? await talk.say(first, second, text) : await talk.say(second, first, text)
  }
  problem ??= await talk.ping(first, second)
  const hosts = [first.host, second.host]
  const sum = (of: 'sent' | 'delivered' | 'bounced') => hosts.reduce((total, host) => total + host[of], 0)
  return { stanzas: { sent: sum('sent'), delivered: sum('delivered'), bounced: sum('bounced') }, problem }
}

const SCRIPT = [
  'Romeo, I knew only your name. Is this your house?',
  'It is. Your certificate says that you are a Capulet.',
  'Then nobody between our houses can have written this.',
  'Nor lost it without our being told.',
] as const

class Talk {
  readonly #options: TalkOptions

  constructor(options: TalkOptions) {
    this.#options = options
  }

  /** @returns null, or why it did not arrive */
  async say(from: Speaker, to: Speaker, text: string): Promise<string | null> {
    const addresses = { from: `${from.person}@${from.domain}`, to: `${to.person}@${to.domain}` }
    const said = message({ ...addresses, id: this.#id(), type: 'chat', body: text })
    const { stanza, ms } = await this.#exchange(said, from, to)
    if (stanza.type === 'error') return errorOf(stanza)
    this.#options.onLine({ ...addresses, text: childText(stanza, 'body'), ms })
    return null
  }

  /** @returns null, or why there is no answer */
  async ping(from: Speaker, to: Speaker): Promise<string | null> {
    const addresses = { from: from.domain, to: to.domain }
    const request = iq({ ...addresses, type: 'get', id: this.#id(), payload: element('ping', NS.ping) })
    const { stanza, ms } = await this.#exchange(request, from, from)
    if (stanza.type === 'error') return errorOf(stanza)
    this.#options.onLine({ ...addresses, text: null, ms })
    return null
  }

  /** Send, and wait for what comes of it: with the one who is to get it, or back at its sender. */
  async #exchange(stanza: Stanza, from: Speaker, to: Speaker): Promise<{ stanza: Stanza; ms: number }> {
    const { signal, clock } = this.#options
    const settled = new AbortController()
    const either = AbortSignal.any([signal, settled.signal])
    const startMs = clock.monotonicMs()
    const awaited = [...new Set([from.host, to.host])].map(host => host.receives(stanza.id, either))
    const first = Promise.race(awaited)
    // Where sending fails, nobody waits for it.
    first.catch(() => {})
    try {
      await from.host.send(stanza)
      return { stanza: await first, ms: clock.monotonicMs() - startMs }
    } finally {
      settled.abort()
      await Promise.allSettled(awaited)
    }
  }

  #id(): string {
    return Buffer.from(this.#options.random.bytes(ID_BYTES)).toString('hex')
  }
}

const ID_BYTES = 8

/** The text of the error, which says what happened, or its condition. */
function errorOf(stanza: Stanza): string {
  const error = childOf(stanza, 'error')
  const inner = error?.children.filter(child => typeof child !== 'string') ?? []
  const text = inner.find(child => child.name === 'text')
  return text === undefined ? (inner[0]?.name ?? 'an error') : text.children.join('')
}

function childText(stanza: Stanza, name: string): string {
  return childOf(stanza, name)?.children.join('') ?? ''
}

function childOf(stanza: Stanza, name: string): Element | undefined {
  return stanza
    .element()
    .children.filter(child => typeof child !== 'string')
    .find(child => child.name === name)
}

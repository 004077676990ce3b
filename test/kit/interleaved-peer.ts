import { createHash } from 'node:crypto'
import type { ScriptedPeer, Taken } from './scripted-peer.ts'
import { answerIn, attributeIn, dialback, keyIn, type ScriptedStream } from './scripted-stream.ts'

/** Where it asks about the keys that it is shown. */
export type AsksOn =
  /** the stream that it has opened, once that is proven */
  | 'its own stream'
  /** the same before it is proven; the answer to our key waits for that all the same */
  | 'its own stream, unproven'
  /** one that it opens for the question, once its own is proven */
  | 'a stream for it'

export interface InterleavedPeerOptions {
  readonly peer: ScriptedPeer
  readonly domain: string
  /** where the gateway listens */
  readonly port: number
  readonly asksOn: AsksOn
}

/** Its stream to a domain. */
interface Way {
  /** its key has been shown there */
  readonly shown: Promise<ScriptedStream>
  readonly proven: Promise<ScriptedStream>
}

/**
 * A server that interleaves dialback: shown a key, it opens its own stream back and shows its own key there, and answers
 * nothing before that one has been answered. Whoever waits for its answer first waits for ever. Only what its key is, it
 * says at once: so much is needed of everybody.
 */
export class InterleavedPeer {
  /** stanzas, in their order */
  readonly received: string[] = []
  /** what it did and saw done, in order */
  readonly story: string[] = []
  readonly #options: InterleavedPeerOptions
  readonly #ways = new Map<string, Way>()
  readonly #waiting = new Set<() => void>()

  constructor(options: InterleavedPeerOptions) {
    this.#options = options
    options.peer.judge = question => {
      this.story.push('says that its key is its own')
      return keyIn(question) === keyOf(attributeIn(question, 'id')) ? 'valid' : 'invalid'
    }
    void this.#serve()
  }

  /** A stanza to a domain, on its own stream. */
  async send(to: string, stanza: string): Promise<void> {
    const stream = await this.#way(to).proven
    stream.say(stanza)
  }

  receivesCount(count: number): Promise<readonly string[]> {
    return new Promise(resolve => {
      const look = () => {
        if (this.received.length < count) return
        this.#waiting.delete(look)
        resolve(this.received)
      }
      this.#waiting.add(look)
      look()
    })
  }

  async #serve(): Promise<void> {
    for (;;) {
      const shown = await this.#options.peer.takes('shows')
      this.story.push('is shown a key')
      // A stream that ends has nothing more to say.
      this.#answer(shown).catch(() => {})
    }
  }

  /** Its own stream, the question, the answer; then what comes. */
  async #answer({ stream, id, from, to, word }: Taken): Promise<void> {
    const type = await this.#ask(from, dialback('verify', { from: to, to: from, id, key: keyIn(word) }))
    await this.#way(from).proven
    this.story.push('answers')
    let read = stream.texts.length
    stream.say(dialback('result', { from: to, to: from, type }))
    for (;;) {
      const text = await stream.sees(({ texts }) => texts[read])
      read += 1
      if (!/^<(?:message|iq|presence) /.test(text)) continue
      this.received.push(text)
      for (const look of this.#waiting) look()
    }
  }

  async #ask(from: string, question: string): Promise<string> {
    const stream = await this.#streamToAsk(from)
    this.story.push('asks about ours')
    stream.say(question)
    const id = attributeIn(question, 'id')
    return answerIn(
      await stream.sees(({ texts }) =>
        texts.find(text => text.startsWith('<db:verify') && attributeIn(text, 'id') === id),
      ),
    )
  }

  async #streamToAsk(from: string): Promise<ScriptedStream> {
    const { peer, port, domain, asksOn } = this.#options
    const way = this.#way(from)
    if (asksOn === 'its own stream, unproven') return way.shown
    const own = await way.proven
    if (asksOn === 'its own stream') return own
    const stream = await peer.dial(port, from)
    await stream.opens(domain, from)
    return stream
  }

  #way(to: string): Way {
    const known = this.#ways.get(to)
    if (known !== undefined) return known
    const shown = this.#open(to)
    const way = { shown, proven: shown.then(stream => this.#prove(stream)) }
    this.#ways.set(to, way)
    return way
  }

  async #open(to: string): Promise<ScriptedStream> {
    const { peer, port, domain } = this.#options
    const stream = await peer.dial(port, to)
    const id = await stream.opens(domain, to)
    this.story.push('shows its key')
    return stream.say(dialback('result', { from: domain, to, key: keyOf(id) }))
  }

  async #prove(stream: ScriptedStream): Promise<ScriptedStream> {
    const answer = answerIn(await stream.said('<db:result'))
    if (answer !== 'valid') throw new Error(`its key was answered ${answer}`)
    this.story.push('is proven')
    return stream
  }
}

/** Any function of the stream will do: nobody else has to know how it is made. */
function keyOf(id: string): string {
  return createHash('sha256').update(`a secret, ${id}`).digest('hex')
}

import { WebSocket } from 'ws'
import { NS } from '../../src/xmpp/index.ts'
import { auth, CLOSE } from './mallory.ts'

/** One end of a stream over a WebSocket, written by hand: whoever has it says what it likes, and sees what comes. */
export class ScriptedStream {
  /** everything that came */
  readonly texts: string[] = []
  isEnded = false
  readonly #socket: WebSocket
  readonly #waiting = new Set<() => void>()
  #read = 0
  #pings = 0
  #pongs = 0

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => {
      this.texts.push(String(data))
      // Whoever is told to close does.
      if (this.texts.at(-1)?.startsWith('<close') === true) this.leave()
      this.#look()
    })
    socket.on('pong', () => {
      this.#pongs += 1
      this.#look()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isEnded = true
      this.#look()
    })
  }

  say(...texts: readonly string[]): this {
    for (const text of texts) if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text)
    return this
  }

  /** The next message that nobody has heard yet; rejects where the stream ends before. */
  async hears(): Promise<string> {
    const at = this.#read++
    return this.sees(({ texts }) => texts[at])
  }

  /** Resolves with the first answer of `look` that is not undefined; rejects where the stream ends before. */
  sees<T>(look: (stream: this) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = () => {
        const seen = look(this)
        if (seen === undefined && !this.isEnded) return
        this.#waiting.delete(again)
        if (seen === undefined) reject(new Error(`it ended after: ${this.texts.slice(-3).join('\n')}`))
        else resolve(seen)
      }
      this.#waiting.add(again)
      again()
    })
  }

  /** The first message with these words, which has come or will. */
  said(words: string): Promise<string> {
    return this.sees(({ texts }) => texts.find(text => text.includes(words)))
  }

  /** All that came, once the stream has ended. */
  async rest(): Promise<readonly string[]> {
    await this.sees(({ isEnded }) => (isEnded ? true : undefined))
    return this.texts
  }

  /** The condition of the stream error; undefined where there is none. */
  get error(): string | undefined {
    const error = this.texts.find(text => text.startsWith('<stream:error'))
    return error === undefined ? undefined : conditionIn(error)
  }

  /**
   * The other side has read all that was said, and done what it does at once: two pongs, as what follows an answer may
   * need a turn of its own. Resolves too where the stream ends.
   */
  async isRead(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      const wanted = ++this.#pings
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping()
      await this.sees(({ isEnded }) => (isEnded || this.#pongs >= wanted ? true : undefined))
    }
  }

  /** Open the stream: header, and the other side's header and features. @returns the id of its header */
  async opens(from: string, to: string): Promise<string> {
    this.say(header(from, to))
    const answer = await this.hears()
    await this.hears()
    return attributeIn(answer, 'id')
  }

  /** Proven by certificate: SASL EXTERNAL, and the stream begun anew. @returns the id of the second header */
  async authenticates(from: string, to: string): Promise<string> {
    await this.opens(from, to)
    this.say(auth())
    const answer = await this.hears()
    if (!answer.startsWith('<success')) throw new Error(`no success: ${answer}`)
    return this.opens(from, to)
  }

  /** Close the stream, and the connection behind it. */
  leave(): void {
    this.say(CLOSE)
    this.#socket.close(1000)
  }

  /** Leave without a word. */
  vanish(): void {
    this.#socket.terminate()
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }
}

export function header(from: string, to: string): string {
  return `<open xmlns='${NS.framing}' from='${from}' to='${to}' version='1.0'/>`
}

/** '' where there is none; of the first element. */
export function attributeIn(text: string, name: string): string {
  const [tag = ''] = /^<[^>]*>/.exec(text) ?? []
  return (
    new RegExp(`\\s${name}=(?:'([^']*)'|"([^"]*)")`)
      .exec(tag)
      ?.slice(1)
      .find(value => value !== undefined) ?? ''
  )
}

export interface DialbackWords {
  readonly from: string
  readonly to: string
  readonly id?: string
  readonly type?: string
  readonly key?: string
}

/** A dialback element by hand (DB-13). */
export function dialback(name: 'result' | 'verify', words: DialbackWords): string {
  const { from, to, id, type, key = '' } = words
  const more = [id === undefined ? '' : ` id='${id}'`, type === undefined ? '' : ` type='${type}'`].join('')
  return `<db:${name} xmlns:db='${NS.dialback}' xmlns='${NS.server}' from='${from}' to='${to}'${more}>${key}</db:${name}>`
}

export function keyIn(text: string): string {
  return /^<[^>]*>([^<]*)</.exec(text)?.[1] ?? ''
}

/** What a dialback answer says: its type, or the condition of an error. */
export function answerIn(text: string): string {
  return /<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/.exec(text)?.[1] ?? attributeIn(text, 'type')
}

/** The condition of a stream error. */
export function conditionIn(text: string): string {
  return /<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-streams'/.exec(text)?.[1] ?? 'unreadable'
}

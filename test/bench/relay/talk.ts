import type { Socket } from 'node:net'

/** One end of a stream over TCP whose first words are spoken by hand. */
export class Talk {
  readonly #socket: Socket
  #heard = ''
  #waiting: { readonly words: RegExp; resolve(match: RegExpExecArray): void } | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay()
    socket.on('data', this.#onData)
  }

  say(words: string): void {
    this.#socket.write(words)
  }

  /** Resolves once they have come; what is before them is forgotten. One at a time. */
  hears(words: RegExp): Promise<RegExpExecArray> {
    return new Promise(resolve => {
      this.#waiting = { words, resolve }
      this.#look()
    })
  }

  /** Listen no more; whoever does now has all that comes. */
  leave(): Socket {
    this.#socket.off('data', this.#onData)
    return this.#socket
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#heard += chunk.toString('latin1')
    this.#look()
  }

  #look(): void {
    const waiting = this.#waiting
    const match = waiting?.words.exec(this.#heard) ?? null
    if (waiting === null || match === null) return
    this.#heard = this.#heard.slice(match.index + match[0].length)
    this.#waiting = null
    waiting.resolve(match)
  }
}

import type { Socket } from 'node:net'
import { connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import { defaultLimits } from '../../src/base/index.ts'
import {
  type Element,
  type ScannedElement,
  type StreamEvent,
  StreamScanner,
  xmlLimits,
} from '../../src/xml/index.ts'
import { isViolation, NS, type Stanza, stanzaFromScanned } from '../../src/xmpp/index.ts'

/** One end of an s2s stream over TCP, written by hand: whoever has it says what it likes, and sees what comes. */
export class RawStream {
  socket: Socket
  /** everything that came, as text; over TLS what it carried */
  text = ''
  readonly events: StreamEvent[] = []
  readonly stanzas: Stanza[] = []
  /** called for each event, behind those who look */
  onEvent: (event: StreamEvent) => void = () => {}
  isEnded = false
  /** the connection was reset, not ended */
  wasReset = false
  /** ends its side when the other one has */
  answersEnd = true
  /** closes in answer to a close */
  answersClose = true
  #scanner = scanner()
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    this.#listen(socket)
  }

  say(...texts: readonly (string | Uint8Array)[]): this {
    for (const text of texts) if (this.socket.writable) this.socket.write(text)
    return this
  }

  send(...stanzas: readonly Stanza[]): this {
    return this.say(...stanzas.map(({ bytes }) => bytes))
  }

  /** Resolves with the first answer of `look` that is not undefined; rejects where the connection ends before. */
  sees<T>(look: (stream: this) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = () => {
        const seen = look(this)
        if (seen === undefined && !this.isEnded) return
        this.#waiting.delete(again)
        if (seen === undefined) reject(new Error(`it ended after: ${this.text.slice(-500)}`))
        else resolve(seen)
      }
      this.#waiting.add(again)
      again()
    })
  }

  /** the first element of that name, which has come or will */
  element(name: string): Promise<Element> {
    return this.sees(({ elements }) => elements.find(element => element.name === name))
  }

  header(): Promise<ScannedElement> {
    return this.sees(({ headers }) => headers.at(-1))
  }

  async stanzasUpTo(count: number): Promise<readonly Stanza[]> {
    await this.sees(({ stanzas }) => (stanzas.length >= count ? true : undefined))
    return this.stanzas
  }

  /** Resolves with all that came, once the other side has ended. */
  async rest(): Promise<string> {
    await this.sees(({ isEnded }) => (isEnded ? true : undefined))
    return this.text
  }

  get headers(): readonly ScannedElement[] {
    return this.events.flatMap(event => (event.type === 'header' ? [event.element] : []))
  }

  get elements(): readonly Element[] {
    return this.events.flatMap(event => (event.type === 'element' ? [event.element.element()] : []))
  }

  /** the condition of the stream error */
  get error(): string | undefined {
    const error = this.elements.find(({ name, namespace }) => name === 'error' && namespace === NS.stream)
    const condition = error?.children.find(child => typeof child !== 'string')
    return condition === undefined || typeof condition === 'string' ? undefined : condition.name
  }

  /** the other side has closed its stream */
  get isClosed(): boolean {
    return this.events.some(({ type }) => type === 'end')
  }

  /** The next thing that comes is a header. */
  restart(): void {
    this.#scanner = scanner()
  }

  /** TLS, from the next byte on. @param servername null: as the server */
  secure(secureContext: SecureContext, servername: string | null): Promise<this> {
    const plain = this.socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('end')
    plain.removeAllListeners('close')
    const tls =
      servername === null
        ? new TLSSocket(plain, {
            isServer: true,
            secureContext,
            requestCert: true,
            rejectUnauthorized: false,
          })
        : connectTls({ socket: plain, servername, secureContext, rejectUnauthorized: false })
    this.socket = tls
    this.#listen(tls)
    this.restart()
    return new Promise((resolve, reject) => {
      tls.once(servername === null ? 'secure' : 'secureConnect', () => resolve(this))
      for (const event of ['_tlsError', 'error', 'close'])
        tls.once(event, error => reject(error instanceof Error ? error : new Error('TLS ended')))
    })
  }

  /** Close the stream, and the connection behind it. */
  leave(): void {
    this.say('</stream:stream>')
    this.socket.end()
  }

  /** Leave without a word. */
  vanish(): void {
    cut(this.socket)
  }

  #listen(socket: Socket): void {
    socket.on('data', chunk => this.#read(chunk))
    socket.on('end', () => {
      if (this.answersEnd) socket.end()
    })
    for (const end of ['end', 'close']) {
      socket.on(end, () => {
        this.isEnded = true
        this.#look()
      })
    }
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') this.wasReset = true
    })
  }

  #read(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk).toString()
    for (const event of this.#scanner.push(chunk)) {
      this.events.push(event)
      if (event.type === 'element') this.#keep(event.element)
      this.onEvent(event)
      if (event.type === 'end' && this.answersClose) this.leave()
    }
    this.#look()
  }

  #keep(scanned: ScannedElement): void {
    if (scanned.namespace !== NS.server) return
    const stanza = stanzaFromScanned(scanned)
    if (!isViolation(stanza)) this.stanzas.push(stanza)
  }

  #look(): void {
    for (const again of this.#waiting) again()
  }
}

/** With a reset where Node has one: not over TLS, and not after its end, of which it would keep the handle. */
export function cut(socket: Socket): void {
  if (socket instanceof TLSSocket || socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function scanner(): StreamScanner {
  return new StreamScanner(xmlLimits(defaultLimits, 'authenticated'))
}

/** '' where there is none */
export function attribute({ attributes }: Element, wanted: string): string {
  return attributes.find(({ name, namespace }) => name === wanted && namespace === '')?.value ?? ''
}

/** A header as RFC 6120 wants it; an attribute set to null is left out. */
export function streamHeader(attributes: Readonly<Record<string, string | null>>): string {
  const all = { version: '1.0', ...attributes }
  const spelled = Object.entries(all).map(([name, value]) => (value === null ? '' : ` ${name}='${value}'`))
  return `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='${NS.dialback}' xmlns:stream='${NS.stream}'${spelled.join('')}>`
}

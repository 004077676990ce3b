import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { defaultLimits } from '../../src/base/index.ts'
import type { Host, HostContext } from '../../src/federation/index.ts'
import {
  type ComponentHost,
  type ComponentOptions,
  component,
  type EmbeddedHost,
  embedded,
} from '../../src/hosts/index.ts'
import { type Element, type StreamEvent, StreamScanner, serialize, xmlLimits } from '../../src/xml/index.ts'
import { bounce, NS, rescoped, type Stanza } from '../../src/xmpp/index.ts'
import { stanza as parsed } from './stanza.ts'

// A component as a library makes one: a socket, a header, a handshake, and stanzas that inherit their namespace.

export const SECRET = 'a secret between two'

export interface Place {
  readonly address: string
  readonly port: number
}

export function componentHost(options: Partial<ComponentOptions> = {}): ComponentHost {
  return component({
    listen: { address: '127.0.0.1', port: 0 },
    secret: SECRET,
    second: 'refuse',
    holdMs: 0,
    ...options,
  })
}

export function placeOf({ listening }: Pick<ComponentHost, 'listening'>): Place {
  const [first] = listening
  if (first === undefined) throw new Error('the host does not listen')
  return first
}

export const headerOf = (name: string, content: string = NS.component) =>
  `<stream:stream xmlns='${content}' xmlns:stream='${NS.stream}' to='${name}'>`

export function digest(id: string, secret = SECRET): string {
  return createHash('sha1').update(id).update(secret).digest('hex')
}

/** The other end of a component's stream, written by hand. */
export class TestComponent {
  readonly socket: Socket
  /** everything, as text */
  text = ''
  readonly events: StreamEvent[] = []
  /** called for each stanza */
  onStanza: (stanza: Stanza) => void = () => {}
  readonly #scanner = new StreamScanner(xmlLimits(defaultLimits, 'authenticated'))
  readonly #waiting = new Set<() => void>()
  isEnded = false
  /** closes in answer to a close */
  answersClose = true

  constructor({ address, port }: Place) {
    this.socket = address.startsWith('/') ? connect({ path: address }) : connect({ host: address, port })
    this.socket.on('data', chunk => this.#read(chunk))
    for (const end of ['end', 'close']) {
      this.socket.on(end, () => {
        this.isEnded = true
        this.#look()
      })
    }
    this.socket.on('error', () => {})
  }

  say(...texts: readonly (string | Uint8Array)[]): this {
    for (const text of texts) if (this.socket.writable) this.socket.write(text)
    return this
  }

  /** as most libraries: the namespace is that of the stream */
  send(stanza: Stanza): this {
    const xml = Buffer.from(serialize(rescoped(stanza.element(), NS.component))).toString()
    return this.say(xml.replace(` xmlns='${NS.component}'`, ''))
  }

  /** Resolves with the first answer of `look` that is not undefined; rejects where the connection ends before. */
  sees<T>(look: (component: this) => T | undefined): Promise<T> {
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

  /** all that came, once the other side has ended */
  async rest(): Promise<string> {
    await this.sees(({ isEnded }) => (isEnded ? true : undefined))
    return this.text
  }

  /** Both headers. @returns the id of the stream */
  open(name: string): Promise<string> {
    this.say(headerOf(name))
    return this.sees(({ events }) => {
      const [first] = events
      return first?.type === 'header' ? (first.element.attribute('id') ?? '') : undefined
    })
  }

  /** The whole negotiation. Rejects where it fails. */
  async enter(name: string, secret = SECRET): Promise<this> {
    const id = await this.open(name)
    this.say(`<handshake>${digest(id, secret)}</handshake>`)
    await this.sees(({ elements }) => elements.find(({ name: of }) => of === 'handshake'))
    return this
  }

  get elements(): readonly Element[] {
    return this.events.flatMap(event => (event.type === 'element' ? [event.element.element()] : []))
  }

  get stanzas(): readonly Stanza[] {
    return this.elements.flatMap(element => (isStanza(element) ? [read(element)] : []))
  }

  get ids(): readonly string[] {
    return this.stanzas.map(({ id }) => id)
  }

  /** the condition of the stream error */
  get error(): string | undefined {
    const error = this.elements.find(({ name, namespace }) => name === 'error' && namespace === NS.stream)
    const condition = error?.children.find(child => typeof child !== 'string')
    return condition === undefined || typeof condition === 'string' ? undefined : condition.name
  }

  get isClosed(): boolean {
    return this.events.some(({ type }) => type === 'end')
  }

  /** Leave in order. */
  leave(): void {
    this.say('</stream:stream>')
    this.socket.end()
  }

  /** Leave without a word. */
  vanish(): void {
    this.socket.resetAndDestroy()
  }

  #read(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk).toString()
    for (const event of this.#scanner.push(chunk)) {
      this.events.push(event)
      if (event.type === 'end' && this.answersClose) this.leave()
      if (event.type !== 'element') continue
      const element = event.element.element()
      if (isStanza(element)) this.onStanza(read(element))
    }
    this.#look()
  }

  #look(): void {
    for (const again of this.#waiting) again()
  }
}

function read(element: Element): Stanza {
  return parsed(Buffer.from(serialize(rescoped(element, NS.server))).toString())
}

function isStanza({ name, namespace }: Element): boolean {
  return namespace === NS.component && (name === 'message' || name === 'presence' || name === 'iq')
}

/** A component host together with a component that answers as an embedded host does. */
export class AnsweredComponent implements Host {
  readonly name: string
  readonly #host: ComponentHost
  readonly #answers: EmbeddedHost
  #component: TestComponent | null = null

  constructor(host = componentHost(), answers = embedded()) {
    this.name = host.name
    this.#host = host
    this.#answers = answers
  }

  async start(context: HostContext): Promise<void> {
    await this.#host.start(context)
    const peer = new TestComponent(placeOf(this.#host))
    this.#component = peer
    this.#answers.start({
      ...{ domains: context.domains, clock: context.clock, limits: context.limits },
      ...{ random: context.random, observer: context.observer },
      isLocal: domain => context.isLocal(domain),
      peerIsUp: pair => context.peerIsUp(pair),
      send: stanza => void peer.send(stanza),
    })
    peer.onStanza = stanza => void this.#answer(peer, stanza)
    const [name = ''] = context.domains
    await peer.enter(name)
  }

  deliver(stanza: Stanza) {
    return this.#host.deliver(stanza)
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.#host.stop(deadlineMs)
    this.#component?.socket.destroy()
  }

  async #answer(peer: TestComponent, stanza: Stanza): Promise<void> {
    const delivery = await this.#answers.deliver(stanza)
    const answer = delivery.taken ? null : bounce(stanza, delivery)
    if (answer !== null) peer.send(answer)
  }
}

import { randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { dialbackKey, dialbackSecret } from '../../src/stream/index.ts'
import type { Element, StreamEvent } from '../../src/xml/index.ts'
import { isRequest, NS, resultOf, type Stanza } from '../../src/xmpp/index.ts'
import {
  type Asked,
  ClientSide,
  featuresOf,
  isBarrier,
  type LocalServerOptions,
  ServerSide,
} from './local-server-streams.ts'
import { attribute, cut, streamHeader } from './raw-stream.ts'

// A server of one machine, as Prosody and ejabberd are on the wire, written by hand. It takes the streams of the host,
// asks back about their keys, knows its own again, and answers pings on the streams that it opens.

type Place = { readonly address: string; readonly port: number }

export class LocalServer {
  readonly options: LocalServerOptions
  /** that have come, oldest first */
  readonly streams: ServerSide[] = []
  /** said in one piece with the answer to a key */
  greeting: readonly Stanza[] = []
  /** most that were open at once */
  mostOpen = 0
  /** where the host listens; null: not known yet, and nothing is opened */
  host: Place | null = null
  readonly #secret = dialbackSecret(randomBytes(32))
  readonly #server: Server
  readonly #opened = new Map<string, Promise<ClientSide>>()
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<() => void>()

  private constructor(options: LocalServerOptions) {
    this.options = options
    this.#server = createServer(socket => this.#take(socket))
  }

  static async start(options: LocalServerOptions): Promise<LocalServer> {
    const server = new LocalServer(options)
    const { port = 0 } = options
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(port, '127.0.0.1', resolve)
    })
    return server
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  get open(): number {
    return this.streams.filter(({ isEnded }) => !isEnded).length
  }

  /** that have proven a pair, from `remote` if given */
  legs(remote?: string): readonly ServerSide[] {
    return this.streams.filter(
      stream => stream.isAuthenticated && (remote === undefined || stream.remote === remote),
    )
  }

  /** stanzas of all legs, in the order of the legs */
  get stanzas(): readonly Stanza[] {
    return this.legs().flatMap(({ stanzas }) => stanzas.filter(stanza => !isBarrier(stanza)))
  }

  /** Resolves with the first answer of `look` that is not undefined. Bounded by the test. */
  sees<T>(look: (server: this) => T | undefined): Promise<T> {
    return new Promise(resolve => {
      const again = () => {
        const seen = look(this)
        if (seen === undefined) return
        this.#waiting.delete(again)
        resolve(seen)
      }
      this.#waiting.add(again)
      again()
    })
  }

  stream(at: number): Promise<ServerSide> {
    return this.sees(({ streams }) => streams.at(at))
  }

  /** A connection to the host, nothing said yet. */
  connect(from = '', to = ''): ClientSide {
    if (this.host === null) throw new Error('nobody has said where the host is')
    const socket = connect({ host: this.host.address, port: this.host.port })
    this.#hold(socket)
    return new ClientSide(socket, from, to)
  }

  /** Headers both ways, and the features. */
  async begin(from: string, to: string, attributes: Readonly<Record<string, string | null>> = {}) {
    const stream = this.connect(from, to)
    // As Prosody, whose header has an id, and an empty one.
    stream.say(streamHeader({ from, to, id: '', ...attributes }))
    stream.id = (await stream.header()).attribute('id') ?? ''
    return stream
  }

  /** A stream of a proven pair: the one there is, or a new one. */
  outgoing(from: string, to: string): Promise<ClientSide> {
    const name = `${from} ${to}`
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const opened = this.#prove(from, to).then(stream => {
      // Whoever hears of its end first is answered with a new one.
      for (const end of ['end', 'close'])
        stream.socket.prependOnceListener(end, () => this.#forget(name, opened))
      return stream
    })
    opened.catch(() => this.#forget(name, opened))
    this.#opened.set(name, opened)
    return opened
  }

  #forget(name: string, opened: Promise<ClientSide>): void {
    if (this.#opened.get(name) === opened) this.#opened.delete(name)
  }

  /** Show a key on a stream. */
  showKey(
    stream: ClientSide,
    from = stream.from,
    to = stream.to,
    key = this.keyFor(to, from, stream.id),
  ): void {
    stream.say(`<db:result from='${from}' to='${to}'>${key}</db:result>`)
  }

  keyFor(receiving: string, originating: string, id: string): string {
    return dialbackKey(this.#secret, { receiving, originating, id })
  }

  /** Nobody can come any more; who is there stays. */
  stopListening(): void {
    this.#server.close()
  }

  /** End every stream as a server does that is stopped: in order, or killed. */
  async stop(how: 'in order' | 'killed' = 'killed'): Promise<void> {
    const closed = new Promise<void>(resolve => {
      // Where it has stopped listening, this is told as an error, and the connections are awaited by nobody.
      this.#server.close(() => resolve())
    })
    if (how === 'in order') {
      for (const stream of this.streams) if (!stream.isEnded) stream.leave()
      for (const opened of this.#opened.values()) void opened.then(stream => stream.leave()).catch(() => {})
    } else for (const socket of this.#sockets) cut(socket)
    await closed
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#look()
    })
  }

  #take(socket: Socket): void {
    this.#hold(socket)
    const stream = new ServerSide(socket)
    this.streams.push(stream)
    this.mostOpen = Math.max(this.mostOpen, this.open)
    const { onStream } = this.options
    if (onStream !== undefined) onStream(stream)
    else this.behave(stream)
    socket.on('data', () => this.#look())
    this.#look()
  }

  /** What a server does with a stream. */
  behave(stream: ServerSide): void {
    stream.onEvent = event => {
      this.#answer(stream, event)
      this.#look()
    }
  }

  #answer(stream: ServerSide, event: StreamEvent): void {
    if (event.type === 'header') {
      stream.local = event.element.attribute('to') ?? ''
      stream.remote = event.element.attribute('from') ?? ''
      const { isOld = false } = this.options
      const header = { from: stream.local, to: stream.remote, id: stream.id }
      stream.say(streamHeader(isOld ? { ...header, version: null } : header))
      if (!isOld) stream.say(featuresOf(this.options, stream))
    } else if (event.type === 'element') this.#answerElement(stream, event.element.element())
  }

  #answerElement(stream: ServerSide, said: Element): void {
    const { tls, answersPings = true } = this.options
    const [from, to, id] = ['from', 'to', 'id'].map(name => attribute(said, name)) as [string, string, string]
    const key = said.children.join('')
    if (said.namespace === NS.dialback && said.name === 'verify') {
      stream.asked += 1
      void this.#answerVerify(stream, { from, to, id, isOwn: key === this.keyFor(from, to, id) })
    } else if (said.namespace === NS.dialback && said.name === 'result') {
      const told = this.ask(from, to, stream.id, key).then(type => {
        if (type === 'valid') stream.isAuthenticated = true
        const greeting = this.greeting.map(({ bytes }) => Buffer.from(bytes).toString()).join('')
        stream.say(`<db:result from='${to}' to='${from}' type='${type}'/>${greeting}`)
        this.#look()
      })
      told.catch(ENDED)
    } else if (said.namespace === NS.sm) this.#manage(stream, said.name)
    else if (said.name === 'bidi') stream.isBidi = true
    else if (said.name === 'starttls' && tls !== undefined) {
      stream.say(`<proceed xmlns='${NS.tls}'/>`)
      stream.isSecure = true
      stream.secure(tls, null).catch(ENDED)
    } else if (said.name === 'auth') {
      stream.isAuthenticated = true
      stream.restart()
      stream.say(`<success xmlns='${NS.sasl}'/>`)
    } else if (said.name === 'iq' && from !== '' && answersPings) {
      const request = stream.stanzas.at(-1)
      if (request !== undefined && isRequest(request) && isBarrier(request))
        this.#pong(stream, request).catch(ENDED)
    }
  }

  #manage(stream: ServerSide, said: string): void {
    const { management } = this.options
    if (management === 'ends') {
      const condition = `<unsupported-stanza-type xmlns='${NS.streamErrors}'/>`
      stream.say(`<stream:error>${condition}</stream:error></stream:stream>`)
      stream.leave()
    } else if (management === 'takes') {
      const handled = stream.stanzas.length
      stream.say(said === 'enable' ? `<enabled xmlns='${NS.sm}'/>` : `<a xmlns='${NS.sm}' h='${handled}'/>`)
    }
  }

  async #answerVerify(stream: ServerSide, asked: Asked): Promise<void> {
    const { from, to, id, isOwn } = asked
    const { says = () => (isOwn ? 'valid' : 'invalid') } = this.options
    const type = await says(asked)
    const error = `<error type='cancel'><item-not-found xmlns='${NS.stanzaErrors}'/></error>`
    if (type === null) return
    stream.say(
      `<db:verify from='${to}' to='${from}' id='${id}' type='${type}'>${type === 'error' ? error : ''}</db:verify>`,
    )
  }

  /** On a connection of its own, as ejabberd does, whether the host has made a key. */
  async ask(from: string, to: string, id: string, key: string): Promise<string> {
    const stream = await this.begin(to, from)
    stream.say(`<db:verify from='${to}' to='${from}' id='${id}'>${key}</db:verify>`)
    const answer = await stream.element('verify')
    stream.leave()
    return attribute(answer, 'type')
  }

  async #prove(from: string, to: string): Promise<ClientSide> {
    const { tls } = this.options
    const stream = await this.begin(from, to)
    await stream.element('features')
    if (tls === undefined) {
      this.showKey(stream)
      const type = attribute(await stream.element('result'), 'type')
      if (type !== 'valid') throw new Error(`not proven: ${type}`)
      return stream
    }
    stream.say(`<starttls xmlns='${NS.tls}'/>`)
    await stream.element('proceed')
    await stream.secure(tls, to)
    stream.say(streamHeader({ from, to }))
    await stream.sees(({ text }) => (text.includes('EXTERNAL') ? true : undefined))
    stream.say(`<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`)
    await stream.element('success')
    stream.restart()
    stream.say(streamHeader({ from, to }))
    await stream.sees(({ headers }) => (headers.length === 3 ? true : undefined))
    return stream
  }

  async #pong(stream: ServerSide, request: Stanza): Promise<void> {
    const pong = resultOf(request)
    if (stream.isBidi) stream.send(pong)
    else (await this.outgoing(request.to.domain, request.from.domain)).send(pong)
  }

  #look(): void {
    for (const again of this.#waiting) again()
  }
}

/** one of the two has gone meanwhile: nobody is to be told */
const ENDED = () => {}

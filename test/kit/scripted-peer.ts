import { createServer, type Server } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { NS } from '../../src/xmpp/index.ts'
import type { TestCertificate } from './authority.ts'
import { JRD, jrd, link } from './host-meta.ts'
import { attributeIn, dialback, ScriptedStream } from './scripted-stream.ts'

/** What a gateway wants of a stream that it has opened, by its first word behind our features. */
export type Errand =
  /** it shows a key of its own */
  | 'shows'
  /** it asks about a key that was shown to it */
  | 'asks'
  /** it has a certificate to show */
  | 'authenticates'

export interface ScriptedPeerOptions {
  /** for all domains that it speaks for */
  readonly certificate: TestCertificate
  /** SASL EXTERNAL is offered to whom `from` says it is; default: nobody */
  readonly offersExternal?: (from: string) => boolean
  /** stanzas both ways are offered */
  readonly offersBidi?: boolean
}

/** A stream that the gateway has opened, up to what it came for. */
export interface Taken {
  readonly stream: ScriptedStream
  /** of our header on it */
  readonly id: string
  /** the domains that its header names */
  readonly from: string
  readonly to: string
  /** its first word behind our features */
  readonly word: string
}

export interface Opened {
  readonly stream: ScriptedStream
  readonly opening: string
}

/**
 * A server of other domains that speaks XEP-0468 by hand, over real TLS and wss: it takes the streams of gateways, and
 * opens some of its own. Nothing is answered that the test does not answer, but for headers and features.
 */
export class ScriptedPeer {
  readonly port: number
  /** streams that were opened to it */
  readonly streams: ScriptedStream[] = []
  /** every question about a key that has come */
  readonly questions: string[] = []
  /** TCP connections so far */
  connections = 0
  /** What is answered to a question about a key, at once; null: `takes` has it. */
  judge: (question: string) => 'valid' | 'invalid' | null = () => null
  /** what its host-meta says of a domain; default: itself */
  links = (domain: string): readonly unknown[] => [link(`wss://${domain}:${this.port}/s2s`)]
  /** domains for which no header is answered: `opened` has the streams to them */
  readonly silent = new Set<string>()
  readonly #options: ScriptedPeerOptions
  readonly #server: Server
  readonly #dialled: ScriptedStream[] = []
  readonly #taken: (Taken & { readonly errand: Errand; claimed: boolean })[] = []
  readonly #opened: (Opened & { claimed: boolean })[] = []
  readonly #waiting = new Set<() => void>()
  #ids = 0

  private constructor(options: ScriptedPeerOptions, server: Server, port: number) {
    this.#options = options
    this.#server = server
    this.port = port
    const upgrades = new WebSocketServer({ server, handleProtocols: () => 'xmpp', perMessageDeflate: false })
    upgrades.on('connection', socket => {
      const stream = new ScriptedStream(socket)
      this.streams.push(stream)
      void this.#take(stream)
    })
    server.on('connection', () => {
      this.connections += 1
    })
    server.on('request', (request, response) => {
      const host = request.headers.host?.replace(/:\d+$/, '') ?? ''
      response.statusCode = request.url === JRD ? 200 : 404
      response.setHeader('Content-Type', 'application/json')
      response.end(request.url === JRD ? jrd(this.links(host)) : '')
    })
  }

  static async listen(options: ScriptedPeerOptions): Promise<ScriptedPeer> {
    const { certificatePem, keyPem } = options.certificate
    const server = createServer({ cert: certificatePem, key: keyPem })
    server.on('tlsClientError', () => {})
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    return new ScriptedPeer(options, server, bound.port)
  }

  /** A stream of a gateway that has come for `errand`, now or later, and that nobody has taken yet. */
  takes(errand: Errand, wanted: (taken: Taken) => boolean = () => true): Promise<Taken> {
    return this.#claim(() => this.#taken.find(one => !one.claimed && one.errand === errand && wanted(one)))
  }

  /** A stream of a gateway to a domain that is silent. */
  opened(domain: string): Promise<Opened> {
    return this.#claim(() =>
      this.#opened.find(({ claimed, opening }) => !claimed && attributeIn(opening, 'to') === domain),
    )
  }

  /** Open a WebSocket to a gateway at a port of this machine. @param certificate shown; null: none */
  async dial(
    port: number,
    servername = 'montague.example',
    certificate: TestCertificate | null = null,
  ): Promise<ScriptedStream> {
    const shown = certificate === null ? {} : { cert: certificate.certificatePem, key: certificate.keyPem }
    const tls: ConnectionOptions = { servername, rejectUnauthorized: false, ...shown }
    const socket = new WebSocket(`wss://127.0.0.1:${port}/s2s`, 'xmpp', {
      headers: { Host: servername },
      perMessageDeflate: false,
      ...tls,
    })
    const stream = new ScriptedStream(socket)
    this.#dialled.push(stream)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    return stream
  }

  /** Answer a gateway's header: ours and the features. @returns the id of ours */
  greet(stream: ScriptedStream, opening: string, wanted?: string): string {
    const { offersExternal = () => false, offersBidi = false } = this.#options
    const [from, to] = [attributeIn(opening, 'from'), attributeIn(opening, 'to')]
    const id = this.answerOpen(stream, opening, wanted)
    const offered = [
      offersExternal(from) ? EXTERNAL : '',
      `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`,
      offersBidi ? `<bidi xmlns='${NS.bidiFeature}'/>` : '',
    ]
    stream.say(
      `<stream:features xmlns:stream='${NS.stream}'>${to === '' ? '' : offered.join('')}</stream:features>`,
    )
    return id
  }

  /** Our header alone. @returns its id */
  answerOpen(stream: ScriptedStream, opening: string, id = `stream-${++this.#ids}`): string {
    const [from, to] = [attributeIn(opening, 'from'), attributeIn(opening, 'to')]
    stream.say(`<open xmlns='${NS.framing}' from='${to}' to='${from}' id='${id}' version='1.0'/>`)
    return id
  }

  /** Every stream of it ends, without a word. */
  vanish(): void {
    for (const stream of [...this.streams.splice(0), ...this.#dialled.splice(0)]) stream.vanish()
  }

  close(): Promise<void> {
    this.vanish()
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #take(stream: ScriptedStream): Promise<void> {
    const opening = await stream.hears().catch(() => '')
    if (opening === '') return
    if (this.silent.has(attributeIn(opening, 'to'))) {
      this.#opened.push({ stream, opening, claimed: false })
      this.#look()
      return
    }
    const id = this.greet(stream, opening)
    const word = await stream.hears().catch(() => '')
    if (word === '') return
    const [from, to] = [attributeIn(opening, 'from'), attributeIn(opening, 'to')]
    const errand = word.startsWith('<auth') ? 'authenticates' : word.includes(':verify') ? 'asks' : 'shows'
    if (errand === 'asks') {
      this.questions.push(word)
      const type = this.judge(word)
      if (type !== null) stream.say(answerTo(word, type))
      if (type !== null) return
    }
    this.#taken.push({ stream, id, from, to, word, errand, claimed: false })
    this.#look()
  }

  #claim<T extends { claimed: boolean }>(find: () => T | undefined): Promise<T> {
    return new Promise(resolve => {
      const look = () => {
        const found = find()
        if (found === undefined) return
        found.claimed = true
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }
}

/** The answer to a question about a key. */
export function answerTo(question: string, type: 'valid' | 'invalid'): string {
  const [from, to, id] = ['to', 'from', 'id'].map(name => attributeIn(question, name))
  return dialback('verify', { from: from ?? '', to: to ?? '', id: id ?? '', type })
}

const EXTERNAL = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`

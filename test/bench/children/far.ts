import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { tlsContextSettings } from '../../../src/transport/index.ts'
import { frame } from '../../kit/wire.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { Countdown } from '../countdown.ts'
import { listening } from '../relay/listening.ts'
import { FAR, IN, NEAR, OUT } from '../relay/pieces.ts'
import { Sink } from '../relay/sink.ts'
import { Source } from '../relay/source.ts'

// The other domain, as far as s2s over WebSocket with SASL EXTERNAL goes: it takes one stream and opens one, with stream
// management where that is wanted. Beside that the TLS end of the bare pipe.

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing-server'
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const STREAM = 'http://etherx.jabber.org/streams'
const SM = 'urn:xmpp:sm:3'
const ENABLE = `<enable xmlns='${SM}'/>`
const OPEN = `<open xmlns='${FRAMING}' from='${FAR}' to='${NEAR}' version='1.0'`
const FEATURES = `<stream:features xmlns:stream='${STREAM}'`
const MECHANISMS = `<mechanisms xmlns='${SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>`

const SHORT_BYTES = 64

const relayed = new Countdown()
const bare = new Sink(OUT)
let stream: Source | null = null
let barePipe: Source | null = null
let isManaged = false

function settings(identity: Identity) {
  return {
    ...tlsContextSettings({ identity, ca: [identity.ca] }),
    requestCert: true,
    rejectUnauthorized: false,
  }
}

/** Who opens a stream says the same words each time; from then on every message is a stanza, and is counted. */
function onGateway(ws: WebSocket): void {
  let opens = 0
  let handled = 0
  ws.on('message', (data: RawData) => {
    if (opens === 2) {
      // Only what is as short as a question is looked into.
      const words = isManaged && Buffer.isBuffer(data) && data.length < SHORT_BYTES ? data.toString() : ''
      if (words.startsWith('<enable')) ws.send(`<enabled xmlns='${SM}'/>`)
      else if (words.startsWith('<r ')) ws.send(`<a xmlns='${SM}' h='${handled}'/>`)
      else {
        handled += 1
        relayed.one()
      }
      return
    }
    const words = data.toString()
    if (words.startsWith('<open')) {
      opens += 1
      ws.send(`${OPEN} id='of-far-${opens}'/>`)
      ws.send(opens === 1 ? `${FEATURES}>${MECHANISMS}</stream:features>` : later())
    } else if (words.startsWith('<auth')) ws.send(`<success xmlns='${SASL}'/>`)
  })
}

function later(): string {
  return isManaged ? `${FEATURES}><sm xmlns='${SM}'/></stream:features>` : `${FEATURES}/>`
}

/** Open a stream to the gateway. @returns the socket below it */
async function open(identity: Identity, port: number): Promise<TLSSocket> {
  const ws = new WebSocket(`wss://127.0.0.1:${port}/s2s`, 'xmpp', {
    ...{ ...settings(identity), servername: NEAR },
    headers: { host: NEAR },
    perMessageDeflate: false,
  })
  const upgraded = once(ws, 'upgrade') as Promise<[IncomingMessage]>
  const says = (words: string, answer: string) =>
    new Promise<string>(resolve => {
      const onMessage = (data: RawData) => {
        const said = data.toString()
        if (!said.includes(answer)) return
        ws.off('message', onMessage)
        resolve(said)
      }
      ws.on('message', onMessage)
      ws.send(words)
    })
  await once(ws, 'open')
  const [{ socket }] = await upgraded
  await says(`${OPEN}/>`, 'EXTERNAL')
  await says(
    `<auth xmlns='${SASL}' mechanism='EXTERNAL'>${Buffer.from(FAR).toString('base64')}</auth>`,
    '<success',
  )
  const features = await says(`${OPEN}/>`, 'features')
  // What it acknowledges is nobody's business here.
  if (isManaged && features.includes(SM)) await says(ENABLE, '<enabled')
  return socket as TLSSocket
}

const calls = {
  /** @returns the ports for the gateway and for the pipe */
  async start({
    identity,
    managed,
  }: {
    identity: Identity
    managed: boolean
  }): Promise<{ wss: number; bare: number }> {
    isManaged = managed
    const server = createHttpsServer(settings(identity))
    const sockets = new WebSocketServer({ server, perMessageDeflate: false })
    sockets.on('connection', onGateway)
    const pipes = createServer(settings(identity), socket => {
      socket.on('error', () => {}).on('data', (chunk: Buffer) => bare.took(chunk.length))
    })
    return { wss: await listening(server), bare: await listening(pipes) }
  },

  /** Open the stream to the gateway, and the connection to the pipe. */
  async dial(options: { identity: Identity; gateway: number; pipe: number }): Promise<void> {
    const { identity, gateway, pipe } = options
    // Frames as a client writes them, masked, beforehand.
    const frames = IN.map(payload => frame({ payload }))
    stream = new Source(await open(identity, gateway), frames)
    const socket = connect({ ...settings(identity), host: '127.0.0.1', port: pipe, servername: NEAR })
    await once(socket, 'secureConnect')
    barePipe = new Source(socket.setNoDelay(), IN)
  },

  send: (count: number): Promise<void> | undefined => stream?.send(count),
  sendBare: (count: number): Promise<void> | undefined => barePipe?.send(count),
  stanzas: (count: number): Promise<void> => relayed.wait(count),
  bare: (count: number): Promise<void> => bare.pieces(count),
}

export type Far = typeof calls

answer(calls)

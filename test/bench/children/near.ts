import { connect, createServer, type Socket } from 'node:net'
import { answer } from '../child.ts'
import { BarrierFinder } from '../relay/barriers.ts'
import { listening } from '../relay/listening.ts'
import { canonical, FAR, IN, NEAR, OUT } from '../relay/pieces.ts'
import { Sink } from '../relay/sink.ts'
import { Source } from '../relay/source.ts'
import { Talk } from '../relay/talk.ts'

// The server beside the gateway, as far as s2s over TCP goes: it takes streams with dialback, opens one, and says yes to every
// key. Beside that the TCP end of the bare pipe.

const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'" +
  " xmlns:db='jabber:server:dialback'"
const FEATURES = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"

/** It counts nothing, so that what the gateway gives it is asked about by pings. */
const NOT_MANAGED =
  "<failed xmlns='urn:xmpp:sm:3'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"

/** in the order in which they were made */
const relayed = new Sink(canonical(IN))
const bare = new Sink(IN)
let stream: Source | null = null
let barePipe: Source | null = null
let toGateway: Socket | null = null

function onGateway(socket: Socket): void {
  const talk = new Talk(socket)
  const taking = async () => {
    await talk.hears(/<stream:stream [^>]*>/)
    talk.say(`${HEADER} id='of-near' from='${NEAR}' to='${FAR}' version='1.0'>${FEATURES}`)
    const [, what = '', attributes = ''] = await talk.hears(/<db:(verify|result)([^>]*)>[^<]*<\/db:\w+>/)
    const id = /\sid='([^']*)'/.exec(attributes)?.[1]
    talk.say(`<db:${what} type='valid' from='${NEAR}' to='${FAR}'${id === undefined ? '' : ` id='${id}'`}/>`)
    if (what === 'verify') await talk.hears(/<\/stream:stream>/)
    if (what === 'verify') {
      socket.end('</stream:stream>')
      return
    }
    await talk.hears(/<enable [^>]*\/>/)
    talk.say(NOT_MANAGED)
    count(talk.leave())
  }
  socket.on('error', () => {})
  void taking()
}

/** What comes are stanzas, and the gateway's pings between them, which are answered on the other stream. */
function count(socket: Socket): void {
  const finder = new BarrierFinder()
  const pong = (id: string) => {
    toGateway?.write(`<iq xmlns='jabber:server' type='result' from='${NEAR}' to='${FAR}' id='${id}'/>`)
  }
  socket.on('data', (chunk: Buffer) => relayed.took(chunk.length - finder.find(chunk, pong)))
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.setNoDelay().on('error', reject)
  })
}

const calls = {
  /** @returns the ports for the gateway and for the pipe */
  async start(): Promise<{ s2s: number; bare: number }> {
    const pipes = createServer(socket => {
      socket.on('error', () => {}).on('data', (chunk: Buffer) => bare.took(chunk.length))
    })
    return { s2s: await listening(createServer(onGateway)), bare: await listening(pipes) }
  },

  /** Open the stream to the gateway, and the connection to the pipe. */
  async dial(ports: { gateway: number; pipe: number }): Promise<void> {
    toGateway = await dial(ports.gateway)
    const talk = new Talk(toGateway)
    talk.say(`${HEADER} from='${NEAR}' to='${FAR}' version='1.0'>`)
    await talk.hears(/<\/stream:features>/)
    talk.say(`<db:result from='${NEAR}' to='${FAR}'>anything</db:result>`)
    await talk.hears(/<db:result[^>]*type='valid'/)
    // What comes now is nothing of ours; it must be read.
    talk.leave().resume()
    stream = new Source(toGateway, OUT)
    barePipe = new Source(await dial(ports.pipe), OUT)
  },

  send: (count: number): Promise<void> | undefined => stream?.send(count),
  sendBare: (count: number): Promise<void> | undefined => barePipe?.send(count),
  stanzas: (count: number): Promise<void> => relayed.pieces(count),
  bare: (count: number): Promise<void> => bare.pieces(count),
}

export type Near = typeof calls

answer(calls)

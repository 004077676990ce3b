import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type DecodedPacket, decode, encode, type OptAnswer, type Packet } from 'dns-packet'
import { afterEach } from 'vitest'
import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { createSteering, type Decide, type Endpoint, type Steering } from '../../src/steering/index.ts'

const RECURSION_DESIRED = 0x0100

/** A query as resolvers send it. */
export function queryFor(name: string, type = 'SRV', more: Packet = {}): Buffer {
  return encode({
    type: 'query',
    id: 0x1234,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: type as 'SRV' }],
    ...more,
  })
}

export function withOpt(udpPayloadSize = 1232, ednsVersion = 0): Packet {
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion,
    flags: 0,
    flag_do: false,
    options: [],
  }
  return { additionals: [opt] }
}

/** The four bits at the end of the flags. */
export function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf
}

/** What a resolver would say that knows `answers`. */
export function replyTo(query: Buffer, more: Packet & { readonly rcode?: number } = {}): Buffer {
  const { rcode = 0, ...rest } = more
  const { id, questions } = decode(query)
  return encode({
    type: 'response',
    id: id ?? 0,
    flags: RECURSION_DESIRED | 0x80 | rcode,
    questions: questions ?? [],
    ...rest,
  })
}

export interface Arrived {
  readonly message: Buffer
  readonly decoded: DecodedPacket
  readonly via: 'udp' | 'tcp'
  readonly port: number
}

/** A resolver on loopback that does as it is told, UDP and TCP on one port, and remembers what it was asked. */
export interface Upstream {
  readonly endpoint: Endpoint
  readonly arrived: Arrived[]
  /** what it answers; `elsewhere` sends to the asker from another port (UDP) */
  behave: (
    query: Arrived,
    elsewhere: (message: Buffer) => void,
  ) => readonly Buffer[] | Promise<readonly Buffer[]>
  close(): Promise<void>
}

export async function testUpstream(behave?: Upstream['behave']): Promise<Upstream> {
  const udp = createSocket('udp4')
  const stranger = createSocket('udp4')
  const sockets = new Set<Socket>()
  const tcp = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let read = Buffer.alloc(0)
    socket.on('data', chunk => {
      read = Buffer.concat([read, chunk])
      if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) return
      const message = read.subarray(2)
      void meet(message, 'tcp', socket.remotePort ?? 0, () => {}).then(answers => {
        for (const answer of answers) socket.write(framed(answer))
      })
    })
  })
  const port = await bindBoth(udp, tcp)
  const upstream: Upstream = {
    endpoint: { address: '127.0.0.1', port },
    arrived: [],
    behave: behave ?? (({ message }) => [replyTo(message, { rcode: 3 })]),
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([
        new Promise<void>(resolve => udp.close(() => resolve())),
        new Promise<void>(resolve => stranger.close(() => resolve())),
        new Promise(resolve => tcp.close(resolve)),
      ])
    },
  }
  const meet = async (
    message: Buffer,
    via: 'udp' | 'tcp',
    from: number,
    elsewhere: (message: Buffer) => void,
  ) => {
    const decoded = decodedOrNull(message)
    // A resolver says nothing to what it cannot read.
    if (decoded === null) return []
    const query = { message: Buffer.from(message), decoded, via, port: from }
    upstream.arrived.push(query)
    return upstream.behave(query, elsewhere)
  }
  udp.on('message', (message, from) => {
    const elsewhere = (answer: Buffer) => stranger.send(answer, from.port, from.address)
    void meet(message, 'udp', from.port, elsewhere).then(answers => {
      for (const answer of answers) udp.send(answer, from.port, from.address)
    })
  })
  return upstream
}

/** What is free for one protocol need not be for the other. */
async function bindBoth(udp: UdpSocket, tcp: Server): Promise<number> {
  for (;;) {
    await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve))
    const { port } = tcp.address() as AddressInfo
    const bound = await new Promise<boolean>(resolve => {
      udp.once('error', () => resolve(false))
      udp.bind(port, '127.0.0.1', () => resolve(true))
    })
    udp.removeAllListeners('error')
    if (bound) return port
    await new Promise(resolve => tcp.close(resolve))
  }
}

function decodedOrNull(message: Buffer): DecodedPacket | null {
  try {
    return decode(message)
  } catch {
    return null
  }
}

/** A port of loopback at which nobody is. */
export async function deafEndpoint(): Promise<Endpoint> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return { address: '127.0.0.1', port }
}

export interface Stage {
  readonly steering: Steering
  readonly port: number
  readonly events: Event[]
  readonly decided: string[]
}

export interface StageOptions {
  readonly upstream: readonly Endpoint[]
  readonly decide?: Decide
  readonly limits?: Partial<Limits>
  readonly listen?: readonly Endpoint[]
}

/** A responder on a free port that steers domains that begin with 'm'. */
export async function stage(options: StageOptions): Promise<Stage> {
  const observer = new Observer()
  const events: Event[] = []
  observer.subscribe(event => events.push(event))
  const decided: string[] = []
  const decide = options.decide ?? (domain => domain.startsWith('m'))
  const steering = await createSteering({
    listen: options.listen ?? [{ address: '127.0.0.1', port: 0 }],
    upstream: options.upstream,
    target: { port: 15269 },
    decide: domain => {
      decided.push(domain)
      return decide(domain)
    },
    limits: { ...defaultLimits, ...options.limits },
    clock: systemClock,
    random: systemRandom,
    observer,
  })
  return { steering, port: steering.listening[0]?.port ?? 0, events, decided }
}

/** Ask once over UDP. Rejects where no answer comes within the deadline. */
export function askOverUdp(port: number, message: Buffer, address = '127.0.0.1'): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return new Promise<Buffer>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error('no answer over UDP')), DEADLINE_MS)
    socket.on('message', answer => {
      clearTimeout(deadline)
      resolve(answer)
    })
    socket.send(message, port, address)
  }).finally(() => socket.close())
}

/** Send `messages` over one connection at once, end it, and collect what comes back. */
export function askOverTcp(
  port: number,
  messages: readonly Buffer[],
  address = '127.0.0.1',
): Promise<Buffer[]> {
  const socket = connect(port, address)
  socket.end(Buffer.concat(messages.map(framed)))
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  return new Promise((resolve, reject) => {
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('no end over TCP')))
    socket.on('error', reject)
    socket.on('close', () => resolve(unframed(Buffer.concat(chunks))))
  })
}

export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

function unframed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at)
    messages.push(bytes.subarray(at + 2, end))
    at = end
  }
  return messages
}

const DEADLINE_MS = 10_000

/** Upstreams and stages of one test file, closed after each test, the newest first. */
export function steeringScene() {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })
  return {
    closing,
    async upstreamOf(behave?: Upstream['behave']): Promise<Upstream> {
      const upstream = await testUpstream(behave)
      closing.push(() => upstream.close())
      return upstream
    },
    async open(options: StageOptions): Promise<Stage> {
      const set = await stage(options)
      closing.push(() => set.steering.close())
      return set
    },
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { type AddressInfo, createServer as createTcpServer, Socket, type Server as TcpServer } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'

// A peer that writes HTTP and WebSocket frames by hand, in both roles, and so can break every rule.

/** A WebSocket frame as read (RFC 6455 §5.2). */
export interface RawFrame {
  readonly fin: boolean
  readonly rsv: number
  readonly opcode: number
  readonly masked: boolean
  readonly payload: Buffer
}

export interface FrameOptions {
  readonly fin?: boolean
  /** the three reserved bits, 0 to 7 */
  readonly rsv?: number
  readonly opcode?: number
  readonly payload?: Uint8Array | string
  readonly masked?: boolean
  /** the length that the header announces, where it is not the payload's */
  readonly announce?: number | bigint
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** The bytes of one frame; default: a final, masked text frame. */
export function frame(options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, opcode = OPCODE.text, masked = true } = options
  const payload = Buffer.from(options.payload ?? '')
  const length = BigInt(options.announce ?? payload.length)
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  const maskBit = masked ? 0x80 : 0
  const header = [Buffer.of(first, maskBit | (length < 126n ? Number(length) : length < 65_536n ? 126 : 127))]
  if (length >= 65_536n) {
    const extended = Buffer.alloc(8)
    extended.writeBigUInt64BE(length)
    header.push(extended)
  } else if (length >= 126n) {
    const extended = Buffer.alloc(2)
    extended.writeUInt16BE(Number(length))
    header.push(extended)
  }
  if (!masked) return Buffer.concat([...header, payload])
  const mask = randomBytes(4)
  return Buffer.concat([...header, mask, payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))])
}

export function closeFrame(
  code: number,
  reason: Uint8Array | string = '',
  options: FrameOptions = {},
): Buffer {
  const payload = Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)])
  return frame({ opcode: OPCODE.close, payload, ...options })
}

/** The code of a close frame; 1005 where it has none. */
export function closeCodeOf(read: RawFrame): number {
  return read.payload.length >= 2 ? read.payload.readUInt16BE(0) : 1005
}

export const TEST_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** An upgrade request; a header set to null is left out. */
export function upgradeRequest(
  options: {
    readonly method?: string
    readonly target?: string
    readonly version?: string
    readonly headers?: Readonly<Record<string, string | null>>
    /** further lines, as they are */
    readonly lines?: readonly string[]
  } = {},
): string {
  const { method = 'GET', target = '/s2s', version = 'HTTP/1.1' } = options
  const headers = {
    Host: 'montague.example',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': TEST_KEY,
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'xmpp',
    ...options.headers,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}`],
  )
  return [`${method} ${target} ${version}`, ...lines, ...(options.lines ?? []), '', ''].join('\r\n')
}

/** An answer to an upgrade; a header set to null is left out. */
export function upgradeAnswer(
  key: string,
  options: {
    readonly status?: string
    readonly headers?: Readonly<Record<string, string | null>>
    readonly body?: string
  } = {},
): string {
  const headers = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptKey(key),
    'Sec-WebSocket-Protocol': 'xmpp',
    ...options.headers,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}`],
  )
  return [`HTTP/1.1 ${options.status ?? '101 Switching Protocols'}`, ...lines, '', options.body ?? ''].join(
    '\r\n',
  )
}

export interface Head {
  /** status or request line */
  readonly line: string
  /** 0 for a request */
  readonly status: number
  /** names in lower case; repeated ones joined by ', ' */
  readonly headers: Readonly<Record<string, string>>
}

/** One end of a connection, read and written by hand. */
export class RawPeer {
  readonly socket: Socket
  #unread = Buffer.alloc(0)
  #ended = false
  #waiting: (() => void)[] = []
  /** all that was ever read */
  bytesRead = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.#unread = Buffer.concat([this.#unread, chunk])
      this.bytesRead += chunk.length
      this.#wake()
    })
    socket.on('error', () => this.#end())
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  write(bytes: Uint8Array | string): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  /** Resolves when the bytes have gone to the kernel. */
  flush(bytes: Uint8Array | string): Promise<void> {
    return new Promise(resolve => this.socket.write(bytes, () => resolve()))
  }

  /** The next HTTP head; null where the connection ends first. */
  async head(): Promise<Head | null> {
    const text = await this.#take(unread => {
      const end = unread.indexOf('\r\n\r\n')
      return end === -1 ? -1 : end + 4
    })
    if (text === null) return null
    const [line = '', ...fields] = text.toString('latin1').trimEnd().split('\r\n')
    const headers: Record<string, string> = {}
    for (const field of fields) {
      const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*)$/.exec(field) ?? []
      const key = name.toLowerCase()
      headers[key] = key in headers ? `${headers[key]}, ${value}` : value
    }
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0)
    return { line, status, headers }
  }

  /** The next WebSocket frame; null where the connection ends first. */
  async frame(): Promise<RawFrame | null> {
    const bytes = await this.#take(frameEnd)
    return bytes === null ? null : readFrame(bytes)
  }

  /** The close frame to come, with all frames before it skipped; null where the connection ends first. */
  async closeFrame(): Promise<RawFrame | null> {
    for (;;) {
      const next = await this.frame()
      if (next === null || next.opcode === OPCODE.close) return next
    }
  }

  /** All that is still to come, once the other side has ended. */
  async rest(): Promise<Buffer> {
    await this.ended()
    return this.#unread
  }

  async ended(): Promise<void> {
    while (!this.#ended) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** What has been read and not taken. */
  get unread(): Buffer {
    return this.#unread
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #take(endOf: (unread: Buffer) => number): Promise<Buffer | null> {
    for (;;) {
      const end = endOf(this.#unread)
      if (end !== -1) {
        const taken = this.#unread.subarray(0, end)
        this.#unread = this.#unread.subarray(end)
        return taken
      }
      if (this.#ended) return null
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** Connect with TLS and trust anybody; rejects where the handshake fails. */
export function rawTls(
  port: number,
  options: ConnectionOptions = {},
): Promise<RawPeer & { readonly socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'montague.example',
      rejectUnauthorized: false,
      ...options,
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      socket.off('error', reject)
      resolve(Object.assign(new RawPeer(socket), { socket }))
    })
  })
}

export function rawTcp(port: number): Promise<RawPeer> {
  return new Promise((resolve, reject) => {
    const socket = new Socket()
    socket.once('error', reject)
    socket.connect(port, '127.0.0.1', () => {
      socket.off('error', reject)
      resolve(new RawPeer(socket))
    })
  })
}

/** A raw WebSocket client that has been answered 101. */
export async function rawWebSocket(port: number, options: ConnectionOptions = {}): Promise<RawPeer> {
  const peer = await rawTls(port, options)
  peer.write(upgradeRequest())
  const head = await peer.head()
  if (head?.status !== 101) throw new Error(`no upgrade: ${head?.line ?? 'connection ended'}`)
  return peer
}

export interface RawServer {
  readonly port: number
  /** the next connection */
  accept(): Promise<RawPeer>
  /** how many there have been */
  readonly connections: number
  close(): void
}

/** A TLS server whose connections are written by hand. */
export async function rawTlsServer(options: TlsOptions): Promise<RawServer> {
  return serve(createServer(options), 'secureConnection')
}

/** A TCP server whose connections are written by hand, e.g. to look at a ClientHello. */
export async function rawTcpServer(address = '127.0.0.1'): Promise<RawServer> {
  return serve(createTcpServer(), 'connection', address)
}

async function serve(
  server: Server | TcpServer,
  event: 'secureConnection' | 'connection',
  address = '127.0.0.1',
): Promise<RawServer> {
  const arrived: RawPeer[] = []
  const all: RawPeer[] = []
  const waiting: ((peer: RawPeer) => void)[] = []
  server.on(event, (socket: Socket) => {
    const peer = new RawPeer(socket)
    all.push(peer)
    const next = waiting.shift()
    if (next === undefined) arrived.push(peer)
    else next(peer)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, address, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    accept() {
      const peer = arrived.shift()
      return peer === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(peer)
    },
    get connections() {
      return all.length
    },
    close() {
      server.close()
      for (const peer of all) peer.destroy()
    },
  }
}

/** Take the upgrade request of a connection and answer it. */
export async function answerUpgrade(
  peer: RawPeer,
  options: Parameters<typeof upgradeAnswer>[1] = {},
): Promise<Head> {
  const head = await peer.head()
  if (head === null) throw new Error('the connection ended before a request')
  peer.write(upgradeAnswer(head.headers['sec-websocket-key'] ?? '', options))
  return head
}

/** What a ClientHello offers (RFC 8446 §4.1.2), as far as tests ask. */
export interface ClientHello {
  /** null: no such extension */
  readonly serverName: string | null
  readonly alpn: readonly string[] | null
}

export function parseClientHello(record: Buffer): ClientHello {
  // record header 5, handshake header 4, version 2, random 32
  let at = 5 + 4 + 2 + 32
  at += 1 + record.readUInt8(at) // session id
  at += 2 + record.readUInt16BE(at) // cipher suites
  at += 1 + record.readUInt8(at) // compression
  const end = at + 2 + record.readUInt16BE(at)
  at += 2
  let serverName: string | null = null
  let alpn: string[] | null = null
  while (at < end) {
    const type = record.readUInt16BE(at)
    const body = record.subarray(at + 4, at + 4 + record.readUInt16BE(at + 2))
    at += 4 + body.length
    if (type === 0) serverName = body.subarray(5).toString('latin1')
    if (type === 16) {
      alpn = []
      for (let offset = 2; offset < body.length; offset += 1 + body.readUInt8(offset)) {
        alpn.push(body.subarray(offset + 1, offset + 1 + body.readUInt8(offset)).toString('latin1'))
      }
    }
  }
  return { serverName, alpn }
}

/** A TLS 1.2 ClientHello with a server name of any bytes, which no library would send. */
export function clientHello(serverName: Uint8Array): Buffer {
  const u16 = (value: number) => Buffer.of(value >> 8, value & 0xff)
  const vector = (body: Buffer) => Buffer.concat([u16(body.length), body])
  const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), vector(body)])
  const extensions = Buffer.concat([
    extension(0, vector(Buffer.concat([Buffer.of(0), vector(Buffer.from(serverName))]))),
    extension(10, vector(Buffer.concat([u16(0x0017), u16(0x001d)]))), // groups: P-256, X25519
    extension(11, Buffer.of(1, 0)), // point formats
    extension(13, vector(Buffer.concat([u16(0x0403), u16(0x0804)]))), // ECDSA and RSA-PSS with SHA-256
  ])
  const body = Buffer.concat([
    u16(0x0303),
    randomBytes(32),
    Buffer.of(0),
    vector(Buffer.concat([u16(0xc02b), u16(0xc02f)])), // ECDHE with AES-128-GCM
    Buffer.of(1, 0),
    vector(extensions),
  ])
  const handshake = Buffer.concat([Buffer.of(1, 0), u16(body.length), body])
  return Buffer.concat([Buffer.of(0x16, 3, 1), vector(handshake)])
}

function frameEnd(unread: Buffer): number {
  if (unread.length < 2) return -1
  const second = unread.readUInt8(1)
  const short = second & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  const masked = second >= 0x80
  const headerBytes = 2 + extended + (masked ? 4 : 0)
  if (unread.length < headerBytes) return -1
  const length =
    extended === 2 ? unread.readUInt16BE(2) : extended === 8 ? Number(unread.readBigUInt64BE(2)) : short
  return unread.length < headerBytes + length ? -1 : headerBytes + length
}

function readFrame(bytes: Buffer): RawFrame {
  const first = bytes.readUInt8(0)
  const second = bytes.readUInt8(1)
  const short = second & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  const masked = second >= 0x80
  const mask = masked ? bytes.subarray(2 + extended, 6 + extended) : Buffer.alloc(4)
  const payload = bytes
    .subarray(2 + extended + (masked ? 4 : 0))
    .map((byte, index) => byte ^ (mask[index % 4] ?? 0))
  return {
    fin: first >= 0x80,
    rsv: (first >> 4) & 7,
    opcode: first & 0x0f,
    masked,
    payload: Buffer.from(payload),
  }
}

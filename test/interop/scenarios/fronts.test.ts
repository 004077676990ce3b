import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  type CertificateFormat,
  fieldValues,
  forwardedCertificate,
} from '../../../src/front/forwarded-certificate.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'
import { haproxy, nginx } from '../../kit/servers/fronts.ts'
import { type Front, PROXY_SECRET } from '../../kit/servers/house.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'

// What the proxies of deploy/ do with a client's bytes, as a server in place of Isthmus sees them.

const stage = stages()

const DOMAIN = 'capulet.example'

// RFC 6455 §1.3 has this key and its answer.
const UPGRADE = [
  'GET /s2s HTTP/1.1',
  'Connection: keep-alive, Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const SWITCHED = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '\r\n',
].join('\r\n')

interface Behind {
  readonly publicPort: number
  /** heads that have come through */
  readonly requests: IncomingMessage[]
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})

/** A proxy, and behind it a server that answers with the request's body as it comes, and echoes what is upgraded. */
async function behind(here: Stage, front: Front): Promise<Behind> {
  const [publicPort = 0, port = 0] = await takePorts(2)
  const socket = here.path('front.sock')
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    response.flushHeaders()
    request.pipe(response)
  })
  server.on('upgrade', (request, upgraded) => {
    requests.push(request)
    upgraded.on('error', () => {})
    upgraded.write(SWITCHED)
    upgraded.pipe(upgraded)
  })
  server.listen(front.toml.includes('"unix:') ? socket : { port, host: '127.0.0.1' })
  await once(server, 'listening')
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  await front.start(here, { domain: DOMAIN, certificate: here.issue(DOMAIN), publicPort, port, socket })
  return { publicPort, requests }
}

/** One connection to a proxy, and what has come on it. */
class Visitor {
  readonly socket: TLSSocket
  text = ''
  #look = () => {}

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      this.text += text
      this.#look()
    })
    socket.on('close', () => this.#look())
    closing.push(() => socket.destroy())
  }

  static async at({ publicPort }: Behind, options: object = {}): Promise<Visitor> {
    const visitor = new Visitor(
      connect({
        port: publicPort,
        host: '127.0.0.1',
        servername: DOMAIN,
        rejectUnauthorized: false,
        ...options,
      }),
    )
    await once(visitor.socket, 'secureConnect')
    return visitor
  }

  ask(lines: readonly string[], body = ''): void {
    this.socket.write([...lines, `Host: ${DOMAIN}`, '', body].join('\r\n'), 'latin1')
  }

  /** Resolves once it has come; rejects if the connection ends before. */
  async sees(words: string): Promise<void> {
    while (!this.text.includes(words)) {
      if (this.socket.closed) throw new Error(`no "${words}" in:\n${this.text}`)
      await new Promise<void>(resolve => {
        this.#look = resolve
      })
    }
  }
}

/** A request, and how it arrives. */
async function arrival(at: Behind, lines: readonly string[], options: object = {}): Promise<IncomingMessage> {
  const before = at.requests.length
  const visitor = await Visitor.at(at, options)
  visitor.ask(['GET /s2s HTTP/1.1', ...lines, 'Connection: close'])
  await visitor.sees('200 OK')
  const request = at.requests[before]
  if (request === undefined || at.requests.length > before + 1) throw new Error('not one request')
  return request
}

const certified = ({ certificatePem, keyPem }: Pick<TestCertificate, 'certificatePem' | 'keyPem'>) => ({
  cert: certificatePem,
  key: keyPem,
})

interface Kit {
  readonly name: string
  readonly front: () => Front
  readonly file: string
  readonly mutual: CertificateFormat | null
}

const KITS: readonly Kit[] = [
  { name: 'nginx', front: () => nginx('isthmus'), file: 'nginx/isthmus.conf', mutual: null },
  {
    name: 'nginx with mutual TLS',
    front: () => nginx('isthmus-mutual'),
    file: 'nginx/isthmus-mutual.conf',
    mutual: 'nginx',
  },
  { name: 'HAProxy', front: () => haproxy('isthmus'), file: 'haproxy/haproxy.cfg', mutual: null },
  {
    name: 'HAProxy with mutual TLS',
    front: () => haproxy('isthmus-mutual'),
    file: 'haproxy/haproxy-mutual.cfg',
    mutual: 'rfc9440',
  },
]

/** What somebody writes who wants to be another, or to have been elsewhere. */
function lies(): string[] {
  const { chainDer, leafPem } = testAuthority().issue({ dns: ['montague.example'] })
  const base64 = Buffer.from(chainDer[0] ?? []).toString('base64')
  return [
    'X-Forwarded-For: 192.0.2.66',
    'X-Forwarded-Proto: http',
    'Forwarded: for=192.0.2.66;proto=http',
    `X-SSL-Client-Cert: ${encodeURIComponent(leafPem)}`,
    `Client-Cert: :${base64}:`,
    `Client-Cert-Chain: :${base64}:`,
  ].flatMap(line => [line, line.replace(/^[^:]*/, name => name.toLowerCase())])
}

describe.each(KITS)('$name', ({ front, file, mutual }) => {
  it('who comes, and how, is said by it alone', async () => {
    const at = await behind(stage(), front())
    const told = await arrival(at, lies())
    expect(fieldValues(told, 'x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(fieldValues(told, 'x-forwarded-proto')).toEqual(['https'])
    expect(fieldValues(told, 'forwarded')).toEqual([])
    expect(told.headers.host).toBe(DOMAIN)
    // The one that the isthmus.toml beside it could have.
    const format = mutual ?? (file.startsWith('nginx') ? 'nginx' : 'rfc9440')
    expect(forwardedCertificate(told, format, 10)).toEqual({ kind: 'none' })
    if (file === 'nginx/isthmus-mutual.conf') {
      const guessed = await arrival(at, [
        'X-Isthmus-Proxy-Secret: a guess',
        'x-isthmus-proxy-secret: one more',
      ])
      expect(fieldValues(guessed, 'x-isthmus-proxy-secret')).toEqual([PROXY_SECRET])
    }
  })

  it('an upgrade goes through, and all bytes after it', async () => {
    const at = await behind(stage(), front())
    const visitor = await Visitor.at(at)
    visitor.ask(UPGRADE)
    await visitor.sees('101 ')
    const { connection, upgrade } = at.requests[0]?.headers ?? {}
    expect([connection?.toLowerCase(), upgrade]).toEqual(['upgrade', 'websocket'])
    const message = 'wherefore '.repeat(50_000)
    visitor.socket.write(`${message}art thou`)
    await visitor.sees('art thou')
    expect(visitor.text.endsWith(`\r\n\r\n${message}art thou`)).toBe(true)
  })

  it('bodies come as they are sent, both ways', async () => {
    const at = await behind(stage(), front())
    const visitor = await Visitor.at(at)
    visitor.ask(['POST /http-bind HTTP/1.1', 'Content-Length: 8'], 'half')
    // The rest is sent only once the first half has been there and back.
    await visitor.sees('half')
    visitor.socket.write('rest')
    await visitor.sees('rest')
  })

  it('no two requests share a connection behind it', async () => {
    const at = await behind(stage(), front())
    const visitor = await Visitor.at(at)
    for (const word of ['one', 'two', 'three']) {
      visitor.ask(['POST /http-bind HTTP/1.1', `Content-Length: ${word.length}`], word)
      await visitor.sees(word)
    }
    expect(new Set(at.requests.map(({ socket }) => socket)).size).toBe(3)
  })

  it('is more patient than Isthmus', () => {
    const text = readFileSync(new URL(`../../../deploy/${file}`, import.meta.url), 'utf8')
    const seconds = (name: string) => {
      const [, number = '', unit = ''] = new RegExp(`^ *${name} +(\\d+)([sm])`, 'm').exec(text) ?? []
      return Number(number || Number.NaN) * (unit === 'm' ? 60 : 1)
    }
    const { proxyTunnelIdleMs, proxyHeadersMs } = defaultLimits
    const [tunnel, answers] = file.startsWith('nginx')
      ? [['proxy_read_timeout', 'proxy_send_timeout'], []]
      : [['timeout tunnel'], ['timeout client', 'timeout server']]
    for (const name of tunnel) expect(seconds(name) * 1_000, name).toBeGreaterThan(proxyTunnelIdleMs)
    for (const name of answers) expect(seconds(name) * 1_000, name).toBeGreaterThan(proxyHeadersMs)
  })
})

describe.each(KITS.filter(({ mutual }) => mutual === null))('$name', ({ front }) => {
  it('asks for no certificate', async () => {
    const at = await behind(stage(), front())
    expect(await sClient(at)).toContain('No client certificate CA names sent')
    expect(await sClient(at)).not.toContain('Requested Signature Algorithms')
  })
})

describe.each(KITS.flatMap(kit => (kit.mutual === null ? [] : [{ ...kit, mutual: kit.mutual }])))(
  '$name',
  ({ front, mutual }) => {
    it('hands on what a client shows, whatever it is worth, and only that', async () => {
      const here = stage()
      const at = await behind(here, front())
      const now = Date.now()
      const stranger = testAuthority()
      const shown = {
        'for servers only': here.authority.issue({ dns: ['montague.example'] }),
        'for clients too': here.authority.issue({
          dns: ['montague.example'],
          ekus: ['serverAuth', 'clientAuth'],
        }),
        'run out': here.authority.issue({
          dns: ['montague.example'],
          notBeforeMs: now - 9_000_000,
          notAfterMs: now - 3_600_000,
        }),
        'of an authority that nobody knows': stranger.issue({ dns: ['montague.example'] }),
        'without what is above it': testAuthority({ intermediate: false }).issue({
          dns: ['montague.example'],
        }),
      }
      for (const [title, certificate] of Object.entries(shown)) {
        const told = await arrival(at, lies(), certified(certificate))
        const read = forwardedCertificate(told, mutual, 10)
        const chain = read.kind === 'chain' ? read.chain.map(der => Buffer.from(der)) : read
        expect({ title, chain }).toEqual({ title, chain: [Buffer.from(certificate.chainDer[0] ?? [])] })
      }
      expect(forwardedCertificate(await arrival(at, []), mutual, 10)).toEqual({ kind: 'none' })
    })

    it('asks for a certificate, and names no authority', async () => {
      const words = await sClient(await behind(stage(), front()))
      expect(words).toContain('Requested Signature Algorithms')
      expect(words).toContain('No client certificate CA names sent')
    })

    it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes no session of %s', async version => {
      const here = stage()
      const at = await behind(here, front())
      // nginx would not keep a session with a certificate that it calls an error.
      const ekus = ['serverAuth', 'clientAuth'] as const
      const peer = certified(here.authority.issue({ dns: ['montague.example'], ekus }))
      const options = { ...peer, minVersion: version, maxVersion: version }
      const first = await Visitor.at(at, options)
      first.ask(['GET /s2s HTTP/1.1'])
      await first.sees('200 OK')
      const session = first.socket.getSession()
      const second = await Visitor.at(at, session === undefined ? options : { ...options, session })
      expect(second.socket.getProtocol()).toBe(version)
      second.ask(['GET /s2s HTTP/1.1'])
      await second.sees('200 OK')
      expect(second.socket.isSessionReused()).toBe(false)
      expect(at.requests.map(told => forwardedCertificate(told, mutual, 10).kind)).toEqual(['chain', 'chain'])
    })
  },
)

/** What OpenSSL's client says of a handshake. */
async function sClient({ publicPort }: Behind): Promise<string> {
  const asking = promisify(execFile)('openssl', ['s_client', '-connect', `127.0.0.1:${publicPort}`], {
    timeout: 10_000,
  })
  asking.child.stdin?.end()
  const { stdout } = await asking.catch((error: { stdout: string }) => error)
  return stdout
}

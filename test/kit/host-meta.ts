import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { rootCertificates } from 'node:tls'
import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import {
  createDiscovery,
  createResolver,
  type Discovered,
  type DiscoveryOptions,
  type ResolverOptions,
} from '../../src/discovery/index.ts'
import { createTrustStore } from '../../src/identity/index.ts'
import { REL_S2S_WEBSOCKET } from '../../src/xmpp/index.ts'
import { type TestAuthority, type TestCertificate, testAuthority } from './authority.ts'
import { domain } from './fronts.ts'

// Real web servers with real certificates, found through `connect` or a DNS server of the kit, and a discovery that asks them.

export const webAuthority: TestAuthority = testAuthority()
// Reading all roots takes longer than all the rest.
const trust = createTrustStore({ roots: [...rootCertificates, webAuthority.caPem] })

export type Page =
  | string
  | {
      readonly status?: number
      readonly type?: string
      readonly headers?: Readonly<Record<string, string | string[]>>
      readonly body?: string | Uint8Array
    }
  | ((request: IncomingMessage, response: ServerResponse) => void)

export interface WebServer {
  readonly port: number
  /** 'GET montague.example /.well-known/host-meta', in order */
  readonly requests: string[]
  readonly heads: IncomingMessage[]
  /** SNI of each handshake that was completed */
  readonly servernames: string[]
  /** by path; absent: 404 */
  pages: Record<string, Page>
  close(): Promise<void>
}

export const JRD = '/.well-known/host-meta.json'
export const XRD = '/.well-known/host-meta'

export async function webServer(
  pages: Record<string, Page> = {},
  options: { readonly certificate?: TestCertificate; readonly names?: readonly string[] } = {},
): Promise<WebServer> {
  const { names = ['montague.example'] } = options
  const certificate = options.certificate ?? webAuthority.issue({ dns: names })
  const web: WebServer = { port: 0, requests: [], heads: [], servernames: [], pages, close }
  const listener: RequestListener = (request, response) => {
    web.requests.push(`${request.method} ${request.headers.host} ${request.url}`)
    web.heads.push(request)
    serve(web.pages[request.url ?? ''] ?? { status: 404 }, request, response)
  }
  const server = createServer({ cert: certificate.certificatePem, key: certificate.keyPem }, listener)
  server.on('tlsClientError', () => {})
  server.on('secureConnection', socket => {
    const servername: unknown = Reflect.get(socket, 'servername')
    web.servernames.push(typeof servername === 'string' ? servername : '')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  function close(): Promise<void> {
    return new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
  return Object.assign(web, { port: bound.port })
}

function serve(page: Page, request: IncomingMessage, response: ServerResponse): void {
  if (typeof page === 'function') {
    page(request, response)
    return
  }
  const {
    status = 200,
    type = 'application/json',
    headers = {},
    body = '',
  } = typeof page === 'string' ? { body: page } : page
  response.writeHead(status, { 'Content-Type': type, ...headers })
  response.end(body)
}

export const link = (href: string, more: Record<string, unknown> = {}) => ({
  rel: REL_S2S_WEBSOCKET,
  href,
  ...more,
})

/** A JRD; `xmpp` undefined: a plain one. */
export function jrd(links: readonly unknown[], xmpp?: unknown): string {
  return JSON.stringify({ ...(xmpp === undefined ? {} : { xmpp }), links })
}

export function xrd(...hrefs: readonly string[]): string {
  const links = hrefs.map(href => `<Link rel='${REL_S2S_WEBSOCKET}' href='${href}'/>`)
  return `<?xml version='1.0' encoding='utf-8'?><XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>${links.join('')}</XRD>`
}

export interface Finder {
  readonly events: Event[]
  find(name?: string, options?: { signal?: AbortSignal; fresh?: boolean }): Promise<Discovered>
  readonly discovery: ReturnType<typeof createDiscovery>
  readonly resolver: ReturnType<typeof createResolver>
}

/** A discovery that trusts the kit's authority. `web`: where 'host:443' goes for each host. */
export function finder(
  options: {
    readonly web?: Readonly<Record<string, WebServer>>
    readonly limits?: Partial<Limits>
    readonly resolver?: Partial<ResolverOptions>
    readonly discovery?: Partial<DiscoveryOptions>
  } = {},
): Finder {
  const limits = { ...defaultLimits, ...options.limits }
  const { clock = systemClock } = options.discovery ?? {}
  const observer = new Observer()
  const events: Event[] = []
  observer.subscribe(event => events.push(event))
  const connect = Object.fromEntries(
    Object.entries(options.web ?? {}).map(([host, { port }]) => [`${host}:443`, `127.0.0.1:${port}`]),
  )
  const resolver = createResolver({
    connect,
    allowPrivate: [],
    // Nobody asks the real DNS here.
    dnsServers: ['127.0.0.1:1'],
    limits,
    clock,
    ...options.resolver,
  })
  const ca = [webAuthority.caPem]
  const discovery = createDiscovery({
    endpoints: [],
    resolver,
    trust,
    ca,
    observer,
    limits,
    clock,
    random: systemRandom,
    ...options.discovery,
  })
  return {
    events,
    discovery,
    resolver,
    find: (name = 'montague.example', { signal = new AbortController().signal, fresh = false } = {}) =>
      discovery.discover(domain(name), { signal, fresh }),
  }
}

import type { IncomingMessage } from 'node:http'
import type { HostMetaDocuments } from '../discovery/index.ts'
import { type Domain, parseDomain } from '../xmpp/index.ts'
import type { FrontDomain } from './certificates.ts'
import { isOwnPath } from './proxy-paths.ts'
import { type Answer, plain, refuse } from './request.ts'

export interface RouteOptions {
  readonly domains: readonly FrontDomain[]
  /** null: nothing to publish, e.g. the domain has no endpoint */
  readonly documents: (domain: Domain) => HostMetaDocuments | null
  readonly stopping: () => boolean
}

/** Where a request goes: the endpoints of our domains, the documents, health; all else is 404. */
export class Routes {
  readonly #options: RouteOptions
  readonly #domains: ReadonlySet<Domain>
  /** request targets, exactly as the URLs have them */
  readonly #endpoints: ReadonlySet<string>

  constructor(options: RouteOptions) {
    this.#options = options
    this.#domains = new Set(options.domains.flatMap(({ name, also }) => [name, ...also]))
    this.#endpoints = new Set(options.domains.flatMap(({ url }) => (url === null ? [] : [targetOf(url)])))
  }

  isEndpoint(request: IncomingMessage): boolean {
    return this.#endpoints.has(request.url ?? '')
  }

  /** Whether it is ours to answer, whatever is proxied. */
  isOwn(request: IncomingMessage): boolean {
    const [path = ''] = (request.url ?? '').split('?', 1)
    return this.isEndpoint(request) || isOwnPath(path)
  }

  /** What a platform asks by itself, past the proxy that says for whom it comes. */
  isHealth(request: IncomingMessage): boolean {
    return request.url === '/healthz' && !this.isEndpoint(request)
  }

  answer(request: IncomingMessage): Answer {
    const { url: target = '' } = request
    if (this.isEndpoint(request)) return endpointWithoutUpgrade(request)
    const [path] = target.split('?', 1)
    switch (path) {
      case '/.well-known/host-meta':
        return onlyReads(request) ?? this.#hostMeta(request, 'xrd')
      case '/.well-known/host-meta.json':
        return onlyReads(request) ?? this.#hostMeta(request, 'jrd')
      case '/healthz':
        return onlyReads(request) ?? (this.#options.stopping() ? plain(503, 'stopping') : plain(200, 'ok'))
      default:
        return plain(404, 'not found')
    }
  }

  /** The domain is the one that the request names as its Host. */
  #hostMeta(request: IncomingMessage, kind: 'jrd' | 'xrd'): Answer {
    const domain = parseDomain(withoutPort(request.headers.host ?? ''))
    const documents = domain !== null && this.#domains.has(domain) ? this.#options.documents(domain) : null
    if (documents === null) return plain(404, 'not found')
    return {
      status: 200,
      headers: {
        'Content-Type': kind === 'jrd' ? 'application/json' : 'application/xrd+xml',
        'Cache-Control': `public, max-age=${documents.maxAgeSeconds}`,
        // DS-31: here and nowhere else
        'Access-Control-Allow-Origin': '*',
      },
      body: documents[kind],
      refused: null,
    }
  }
}

function endpointWithoutUpgrade(request: IncomingMessage): Answer {
  if (request.method !== 'GET') return refuse(405, 'an upgrade is a GET', { Allow: 'GET' })
  return refuse(426, 'this is a WebSocket endpoint', { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' })
}

function onlyReads(request: IncomingMessage): Answer | null {
  if (request.method === 'GET' || request.method === 'HEAD') return null
  return plain(405, 'only GET and HEAD', { Allow: 'GET, HEAD' })
}

function targetOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '')
}

import { Agent } from 'node:http'
import type { ProxyServerOptions } from 'httpxy'
import type { Limits } from '../base/index.ts'

/** `[[proxy]]`: a path of ours, and the server that answers below it. */
export interface ProxyPath {
  /** begins with '/'; everything below it is meant too */
  readonly path: string
  /** http://HOST:PORT, and before every path a prefix where one follows */
  readonly to: string
}

/** A path that is ours whatever is proxied: health, and all below /.well-known. Endpoints of domains are too. */
export function isOwnPath(path: string): boolean {
  return path === '/healthz' || path === '/.well-known' || path.startsWith('/.well-known/')
}

export interface ProxyRoute {
  /** as configured, for events */
  readonly path: string
  readonly to: string
  readonly target: URL
}

/** Which server answers for a path: the longest that fits. */
export class ProxyPaths {
  /** longest first */
  readonly #routes: readonly { readonly base: string; readonly route: ProxyRoute }[]

  /** Throws a TypeError for what is no path, no http URL, or our own. */
  constructor(proxies: readonly ProxyPath[]) {
    this.#routes = proxies
      .map(({ path, to }) => ({
        base: path.replace(/\/$/, ''),
        route: { path, to, target: targetOf(path, to) },
      }))
      .sort((one, other) => other.base.length - one.base.length)
  }

  /** @param target a request target in origin form, whatever it holds */
  find(target: string): ProxyRoute | null {
    const [path = ''] = target.split('?', 1)
    for (const { base, route } of this.#routes) if (path === base || path.startsWith(`${base}/`)) return route
    return null
  }
}

/** How the library is to reach it. One object a request: the library writes into it. */
export function proxyOptions(
  { target }: ProxyRoute,
  { proxyHeaderBytes }: Pick<Limits, 'proxyHeaderBytes'>,
): ProxyServerOptions {
  return {
    target: {
      protocol: 'http:',
      // Not the URL itself: its brackets around IPv6 would be looked up as a name.
      hostname: target.hostname.replace(/^\[|\]$/g, ''),
      port: target.port === '' ? HTTP_PORT : target.port,
      pathname: target.pathname,
    },
    agent: oneRequestEach,
    // What is in here goes to node:http as it is.
    ssl: { maxHeaderSize: proxyHeaderBytes },
  }
}

const HTTP_PORT = 80

/**
 * A connection for each request: one that two parsers read differently can then spoil nobody's but its own. `close` is
 * not said beforehand: servers would take it as leave to reset, and an early answer to an upload would be lost.
 */
class OneRequestEach extends Agent {
  override keepSocketAlive(): boolean {
    return false
  }
}

/** Keeps nothing. */
const oneRequestEach = new OneRequestEach({ keepAlive: true })

function targetOf(path: string, to: string): URL {
  if (!path.startsWith('/') || isOwnPath(path)) throw new TypeError(`not a path to proxy: ${path}`)
  const url = URL.canParse(to) ? new URL(to) : null
  if (url === null || url.protocol !== 'http:' || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new TypeError(`not http://HOST:PORT: ${to}`)
  return url
}

/**
 * Whether a path means the same to every server: what lies below a proxied path as text must lie there still when the
 * server behind has decoded and shortened it, were it twice.
 */
export function isPlainPath(target: string): boolean {
  let [path = ''] = target.split('?', 1)
  if (target.includes('#') || /%(?:00|(?![0-9A-Fa-f]{2}))/.test(path)) return false
  for (let round = 0; round < DECODINGS; round++) {
    if (DOT_SEGMENT.test(path)) return false
    path = path.replaceAll(/%(?:2[ef5]|3b|5c)/gi, encoded => decodeURIComponent(encoded))
  }
  return true
}

const DECODINGS = 3
/** `;` begins a parameter, which some servers cut off first; to some, a backslash is a slash. */
const DOT_SEGMENT = /[/\\]\.{1,2}(?:[/\\;]|$)/

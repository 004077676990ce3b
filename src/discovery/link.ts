import { isIP } from 'node:net'
import { notFederable, parseDomain, toAscii } from '../xmpp/index.ts'

/** One way to a domain, as its host-meta tells it. */
export interface Link {
  /** wss URL, normalised */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly addresses: readonly string[] | null
  readonly servername: string
  /** lower first; Infinity where the document gives none (DS-22) */
  readonly priority: number
  readonly weight: number
}

/** What a domain publishes, as far as it is of use here. */
export interface HostMeta {
  readonly links: readonly Link[]
  /** how long it holds; null: the document does not say */
  readonly ttlMs: number | null
  readonly pins: readonly string[]
  /** the document has an `xmpp` object: XEP-0487, and nothing else needs be looked up (DS-20) */
  readonly complete: boolean
}

export interface LinkTarget {
  readonly url: string
  readonly host: string
  readonly port: number
}

/**
 * Read a wss URL; null for everything that cannot be dialled or must not be: other schemes (DS-07), a user, a fragment
 * (RFC 6455 §3), names that are not of the public network (DECISIONS 26). Vetted as parsed, never as text: WHATWG turns
 * more than one notation into 127.0.0.1.
 */
export function readTarget(text: string): LinkTarget | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.protocol !== 'wss:') return null
  if (url.username !== '' || url.password !== '' || text.includes('#') || url.port === '0') return null
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) === 0) {
    const name = parseDomain(host)
    if (name === null || notFederable(name) !== null) return null
  }
  return { url: url.href, host, port: url.port === '' ? WSS_PORT : Number(url.port) }
}

/** CT-12: `sni` where it is given, else the URL's host; none for an address. */
export function servernameFor(host: string, sni: unknown): string {
  const given = typeof sni === 'string' ? parseDomain(sni) : null
  if (given !== null && notFederable(given) !== 'ip-literal') return toAscii(given)
  return isIP(host) === 0 ? host : ''
}

const WSS_PORT = 443

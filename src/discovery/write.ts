import { isIP } from 'node:net'
import { type Domain, NS, REL_S2S_WEBSOCKET, toAscii } from '../xmpp/index.ts'

/** What a domain publishes about itself (DS-30), ready to be served. */
export interface HostMetaDocuments {
  readonly jrd: string
  readonly xrd: string
  /** how long caches may keep them; never above the ttl within (DS-34) */
  readonly maxAgeSeconds: number
}

export interface PublishedEndpoint {
  /** wss URL */
  readonly url: string
  /** where its host is; empty: not known, so peers are left to their DNS (DECISIONS 11) */
  readonly ips: readonly string[]
  readonly ttlSeconds: number
}

/**
 * Both documents of a domain, with the same links (DECISIONS 11). The JRD has every member of XEP-0487, because a known
 * peer drops the whole document where one is missing (DS-22); without addresses it is a plain one of XEP-0156.
 */
export function hostMetaDocuments(
  domain: Domain,
  { url, ips, ttlSeconds }: PublishedEndpoint,
): HostMetaDocuments {
  // COMPAT(xmpp-proxy): its ttl has 16 bits (DS-21).
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 0xffff)
    throw new TypeError(`ttl of ${ttlSeconds} s: not 1 to 65535`)
  const { href, hostname } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const link = {
    rel: REL_S2S_WEBSOCKET,
    href,
    ...(ips.length === 0 ? {} : { ips }),
    priority: 10,
    weight: 50,
    sni: isIP(host) === 0 ? host : toAscii(domain),
  }
  const document = {
    ...(ips.length === 0 ? {} : { xmpp: { ttl: ttlSeconds, 'public-key-pins-sha-256': [] } }),
    links: [link],
  }
  return { jrd: `${JSON.stringify(document, null, 2)}\n`, xrd: xrdOf([link]), maxAgeSeconds: ttlSeconds }
}

function xrdOf(links: readonly { readonly rel: string; readonly href: string }[]): string {
  const lines = links.map(({ rel, href }) => `  <Link rel='${escaped(rel)}' href='${escaped(href)}'/>\n`)
  return `<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='${NS.xrd}'>\n${lines.join('')}</XRD>\n`
}

/** A URL that was parsed holds none but these. */
function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;')
}

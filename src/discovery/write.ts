import { isIP } from 'node:net'
import { type Domain, NS, REL_S2S_WEBSOCKET, REL_WEBSOCKET, toAscii } from '../xmpp/index.ts'

/** What a domain publishes about itself (DS-30), ready to be served. */
export interface HostMetaDocuments {
  readonly jrd: string
  readonly xrd: string
  /** how long caches may keep them; never above the ttl within (DS-34) */
  readonly maxAgeSeconds: number
}

/** Where clients of the domain come in (XEP-0156), e.g. through a proxied path. */
export interface PublishedLink {
  /** `urn:xmpp:alt-connections:websocket` or `…:xbosh` */
  readonly rel: string
  /** wss or https URL */
  readonly href: string
}

export interface PublishedEndpoint {
  /** wss URL */
  readonly url: string
  /** where its host is; empty: not known, so peers are left to their DNS (DECISIONS 11) */
  readonly ips: readonly string[]
  readonly ttlSeconds: number
  /** for clients, after ours; default none */
  readonly links?: readonly PublishedLink[]
}

/**
 * Both documents of a domain, with the same links (DECISIONS 11). The JRD has every member of XEP-0487, because a known
 * peer drops the whole document where one is missing (DS-22); without addresses it is a plain one of XEP-0156.
 */
export function hostMetaDocuments(
  domain: Domain,
  { url, ips, ttlSeconds, links = [] }: PublishedEndpoint,
): HostMetaDocuments {
  // COMPAT(xmpp-proxy): its ttl has 16 bits (DS-21).
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 0xffff)
    throw new TypeError(`ttl of ${ttlSeconds} s: not 1 to 65535`)
  const { href, host } = new URL(url)
  const ours = { rel: REL_S2S_WEBSOCKET, href }
  const members = membersOf(domain, url, ips)
  const theirs = links.map(link => ({ rel: link.rel, href: new URL(link.href).href }))
  const document = {
    ...(ips.length === 0 ? {} : { xmpp: { ttl: ttlSeconds, 'public-key-pins-sha-256': [] } }),
    links: [
      { ...ours, ...members },
      // XEP-0487 has WebSockets of clients, too. At the same place they have the same members; elsewhere, a plain link.
      ...theirs.map(link =>
        link.rel === REL_WEBSOCKET && new URL(link.href).host === host ? { ...link, ...members } : link,
      ),
    ],
  }
  const xrd = xrdOf([ours, ...theirs])
  return { jrd: `${JSON.stringify(document, null, 2)}\n`, xrd, maxAgeSeconds: ttlSeconds }
}

function membersOf(domain: Domain, url: string, ips: readonly string[]): object {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const sni = isIP(host) === 0 ? host : toAscii(domain)
  return { ...(ips.length === 0 ? {} : { ips }), priority: 10, weight: 50, sni }
}

function xrdOf(links: readonly { readonly rel: string; readonly href: string }[]): string {
  const lines = links.map(({ rel, href }) => `  <Link rel='${escaped(rel)}' href='${escaped(href)}'/>\n`)
  return `<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='${NS.xrd}'>\n${lines.join('')}</XRD>\n`
}

/** A URL that was parsed holds none but these. */
function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;')
}

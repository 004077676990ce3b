import { isIP } from 'node:net'
import type { Random } from '../base/index.ts'
import { type Domain, toAscii } from '../xmpp/index.ts'
import type { Candidate } from './candidate.ts'
import type { HostMeta } from './link.ts'
import { ordered } from './order.ts'

/**
 * CT-10: a certificate may be for the domain, or for the URL's host, because the domain's own HTTPS server named it: by a
 * document, or by redirects that were each verified (DECISIONS 21).
 */
export function candidatesOf(domain: Domain, hostMeta: HostMeta, random: Random): Candidate[] {
  return ordered(hostMeta.links, random).map(({ url, host, port, addresses, servername }) => ({
    kind: 'websocket',
    url,
    host,
    port,
    addresses,
    servername,
    names: { domain, hosts: [host], pins: hostMeta.pins },
    source: 'host-meta',
  }))
}

/** Configured, so its host is believed as host-meta's would be; an address sends the domain as SNI (DECISIONS 26). */
export function staticCandidate(domain: Domain, text: string): Candidate {
  const url = new URL(text)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    kind: 'websocket',
    url: url.href,
    host,
    port: url.port === '' ? 443 : Number(url.port),
    addresses: null,
    servername: isIP(host) === 0 ? host : toAscii(domain),
    names: { domain, hosts: [host], pins: [] },
    source: 'static',
  }
}

import { isIP } from 'node:net'
import type { Candidate } from '../discovery/index.ts'
import { type Failure, toAscii } from '../xmpp/index.ts'

/**
 * Where a `see-other-uri` leads (WS-53 to WS-55): wss only, same domain, its certificate for the domain or for the new
 * URL's host, which the proven peer named. Never cached; the address guard is asked as for any other candidate.
 */
export function redirected(from: Candidate, uri: string): Candidate | Failure {
  const url = URL.canParse(uri) ? new URL(uri) : null
  // WS-54: nothing less secure.
  if (url === null || url.protocol !== 'wss:') return refuse(uri, 'to something that is no wss URL')
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return refuse(uri, 'to a URL with parts that have no place in it')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    kind: 'websocket',
    url: url.href,
    host,
    port: url.port === '' ? HTTPS_PORT : Number(url.port),
    addresses: null,
    // DECISIONS 26: an address is no server name, so it gets the domain.
    servername: isIP(host) === 0 ? host : toAscii(from.names.domain),
    names: { domain: from.names.domain, hosts: [host], pins: [] },
    source: 'redirect',
  }
}

export function tooManyRedirects(uri: string, hops: number): Failure {
  return refuse(uri, `more than ${hops} times`)
}

function refuse(uri: string, why: string): Failure {
  return { by: 'peer', kind: 'redirect', uri, detail: why }
}

const HTTPS_PORT = 443

import { notFederable, parseDomain, toAscii } from '../xmpp/index.ts'
import type { Certificate } from './certificate.ts'
import { sameBytes } from './der.ts'
import { readIpLiteral, readPresentedName } from './dns-name.ts'
import type { ReferenceNames } from './verdict.ts'

// RFC 9525 over parsed SANs. The Common Name is never looked at (CT-06).

export interface NameMatch {
  readonly via: 'dns-id' | 'srv-id' | 'xmpp-addr' | 'ip-id'
  /** the identifier as presented, e.g. '*.capulet.example' */
  readonly name: string
}

/**
 * The identifier of `certificate` that proves `names`; null where none does.
 * @param kinds 'dns-id' where the path was not seen whole: only dNSName was constrained then (DECISIONS 7)
 */
export function matchNames(
  certificate: Certificate,
  names: ReferenceNames,
  kinds: 'all' | 'dns-id',
): NameMatch | null {
  const presented = certificate.names
  if (presented === null) return null
  // CT-07: an address is never compared with text, and XMPP domains that are addresses are proven by pins alone.
  const domain = notFederable(names.domain) === 'ip-literal' ? null : toAscii(names.domain)
  const byDns = matchDns(presented.dns, [...(domain === null ? [] : [domain]), ...names.hosts.map(plainHost)])
  if (byDns !== null || kinds === 'dns-id') return byDns
  if (domain !== null) {
    // CT-03: service and name of one identifier together; a '*' would not be its left-most label (CT-05).
    for (const name of presented.srv) {
      if (name.slice(0, SERVICE.length).toLowerCase() !== SERVICE) continue
      const read = readPresentedName(name.slice(SERVICE.length))
      if (read !== null && !read.wildcard && read.name === domain) return { via: 'srv-id', name }
    }
    for (const name of presented.xmpp) {
      if (parseDomain(name) === names.domain) return { via: 'xmpp-addr', name }
    }
  }
  return matchAddress(presented.ip, names.hosts)
}

/** @param references the first is preferred, so that the log names the best evidence */
function matchDns(presented: readonly string[], references: readonly string[]): NameMatch | null {
  // CT-05: exactly one label stands for '*'.
  const parents = references.map(name => name.slice(name.indexOf('.') + 1 || name.length))
  let best = references.length
  let found: NameMatch | null = null
  for (const name of presented) {
    const read = readPresentedName(name)
    if (read === null) continue
    const rank = (read.wildcard ? parents : references).indexOf(read.name)
    if (rank === -1 || rank >= best) continue
    found = { via: 'dns-id', name }
    best = rank
    if (rank === 0) break
  }
  return found
}

/** CT-04: case and a trailing dot mean nothing. */
function plainHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function matchAddress(presented: readonly Uint8Array[], hosts: readonly string[]): NameMatch | null {
  if (presented.length === 0) return null
  for (const host of hosts) {
    const octets = readIpLiteral(host)
    if (octets !== null && presented.some(address => sameBytes(address, octets)))
      return { via: 'ip-id', name: host }
  }
  return null
}

const SERVICE = '_xmpp-server.'

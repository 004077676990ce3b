import { BlockList, isIP } from 'node:net'

/** Where a socket is bound, or goes to: an IP address without brackets, and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * Why the responder cannot work with these addresses, as a sentence; null where it can. Port 0 of `listen` is a free one.
 * Bound ports are checked once more when they are known.
 */
export function steeringProblem(listen: readonly Endpoint[], upstream: readonly Endpoint[]): string | null {
  if (listen.length === 0) return 'no address to listen on'
  if (upstream.length === 0) return 'no upstream: name the resolver that answers everything else'
  for (const endpoint of listen) {
    // Whoever reaches it can look up names through us; and its answers would bring strangers nowhere.
    if (!isLoopback(endpoint.address))
      return `${show(endpoint)}: only loopback addresses are listened on (127.0.0.1, ::1)`
    if (!isPort(endpoint.port)) return `${show(endpoint)}: no such port`
  }
  for (const endpoint of upstream) {
    if (isIP(endpoint.address) === 0) return `upstream ${show(endpoint)}: not an IP address`
    if (!isPort(endpoint.port) || endpoint.port === 0) return `upstream ${show(endpoint)}: no such port`
    if (isUnspecified(endpoint.address)) return `upstream ${show(endpoint)}: not the address of a resolver`
    if (listen.some(own => isSame(own, endpoint)))
      return `upstream ${show(endpoint)} is this responder itself: questions would go round in a circle`
  }
  return null
}

/** '127.0.0.1:53', '[::1]:53' */
export function show({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.port === other.port && canonical(one.address) === canonical(other.address)
}

/** One spelling of each address; an IPv4 address in IPv6 clothes is that address. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address
  const zoneless = address.replace(/%.*$/, '')
  const hostname = new URL(`http://[${zoneless}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(hostname)
  if (mapped === null) return hostname
  const groups = mapped.slice(1).map(group => Number.parseInt(group, 16))
  return groups.flatMap(group => [group >> 8, group & 0xff]).join('.')
}

function isLoopback(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false
  return isIP(address) === 4 ? LOOPBACK.check(address, 'ipv4') : canonical(address) === '::1'
}

function isUnspecified(address: string): boolean {
  const plain = canonical(address)
  return plain === '0.0.0.0' || plain === '::'
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')

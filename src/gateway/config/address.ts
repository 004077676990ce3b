import { BlockList, isIP, SocketAddress } from 'node:net'

/** An IP address and a port, as a listener or `connect` names them. */
export interface HostPort {
  /** without brackets */
  readonly host: string
  readonly port: number
}

/** 'ADDRESS:PORT' or '[ADDRESS]:PORT', the address being one of IPv4 or IPv6; null for all else. */
export function parseAddress(text: string): HostPort | null {
  const parsed = parseHostPort(text)
  return parsed !== null && isIP(parsed.host) !== 0 ? parsed : null
}

/** 'HOST:PORT' or '[IPV6]:PORT'; null for all else. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:\s/@]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) return null
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? { host: match[1], port } : null
  return match[2] === undefined ? null : { host: match[2], port }
}

/** The path in 'unix:PATH'; null for all else. */
export function unixPath(text: string): string | null {
  return /^unix:([^\0]+)$/.exec(text)?.[1] ?? null
}

export function parseIp(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

export function parseCidr(text: string): boolean {
  const match = /^([0-9A-Fa-f:.]+)\/(\d{1,3})$/.exec(text)
  if (match?.[1] === undefined) return false
  const version = isIP(match[1])
  if (version === 0) return false
  try {
    new BlockList().addSubnet(match[1], Number(match[2]), version === 4 ? 'ipv4' : 'ipv6')
    return true
  } catch {
    // The prefix is longer than the address.
    return false
  }
}

/** 'ADDRESS:PORT', an IPv6 address in brackets. */
export function addressText({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Whether a CIDR block, one that parses, has only loopback addresses. */
export function isLoopbackBlock(block: string): boolean {
  const [address = '', prefix = ''] = block.split('/')
  return isLoopback(address) && Number(prefix) >= (isIP(address) === 6 ? 128 : 8)
}

/** Whether two listeners cannot be had together: one address and port, or one of them has all addresses. */
export function collide(a: HostPort, b: HostPort): boolean {
  if (a.port === 0 || a.port !== b.port) return false
  const [one, other] = [canonical(a.host), canonical(b.host)]
  return one === other || covers(one, other) || covers(other, one)
}

/** Whether a connection to `target` ends at the listener `listen`, as far as its address shows. */
export function reaches(target: HostPort, listen: HostPort): boolean {
  if (target.port === 0 || target.port !== listen.port) return false
  const [to, at] = [canonical(target.host), canonical(listen.host)]
  return to === at || ((isLoopback(to) || isAny(to)) && covers(at, to))
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

// `::` takes IPv4 too, as Node listens.
function covers(any: string, other: string): boolean {
  return any === '::' || (any === '0.0.0.0' && isIP(other) === 4)
}

function isAny(address: string): boolean {
  return address === '::' || address === '0.0.0.0'
}

function canonical(address: string): string {
  return new SocketAddress({ address, family: isIP(address) === 6 ? 'ipv6' : 'ipv4' }).address
}

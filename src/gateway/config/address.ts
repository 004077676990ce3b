import { BlockList, isIP } from 'node:net'

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

import { isIPv6 } from 'node:net'

/** What limits count as one source: an IPv4 address, or the /64 that one host commands in IPv6. */
export function sourceOf(address: string): string {
  const [bare = ''] = unmapped(address).split('%')
  if (!isIPv6(bare)) return bare
  const [head = '', tail] = bare.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - left.length - right.length)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return `${groups
    .slice(0, NETWORK_GROUPS)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/** An IPv4 address as such, where a socket for both families shows it in IPv6. */
export function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}

const GROUPS = 8
const NETWORK_GROUPS = 4

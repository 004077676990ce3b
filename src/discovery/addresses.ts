import { BlockList, isIP } from 'node:net'

/** Whether a socket may go to an address (DS-60). */
export type AddressGuard = (address: string) => boolean

/**
 * The public internet, and what `allowPrivate` opens beyond it (CIDR blocks). Everything that IANA's registries of
 * special-purpose addresses list is refused, and every IPv6 address that is not global unicast.
 */
export function createAddressGuard(allowPrivate: readonly string[]): AddressGuard {
  const allowed = blockList(allowPrivate)
  return address => {
    const version = isIP(address)
    // A zone names an interface of ours, which nobody else can know.
    if (version === 0 || address.includes('%')) return false
    if (allowed.check(address, version === 4 ? 'ipv4' : 'ipv6')) return true
    return version === 4 ? isPublic4(address) : isPublic6(address, allowed)
  }
}

function isPublic4(address: string): boolean {
  return !SPECIAL.check(address, 'ipv4')
}

function isPublic6(address: string, allowed: BlockList): boolean {
  if (NAT64.check(address, 'ipv6')) {
    // What DNS64 makes of an IPv4 address for hosts without IPv4: as good as that address.
    const behind = lastFourOctets(address)
    return isPublic4(behind) || allowed.check(behind, 'ipv4')
  }
  return GLOBAL_UNICAST.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6')
}

/** The WHATWG parser writes every IPv6 address in hexadecimal groups. */
function lastFourOctets(address: string): string {
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const tail = groups.at(-1)?.split(':') ?? []
  const [high, low] = [tail.at(-2) ?? '0', tail.at(-1) ?? '0'].map(group => Number.parseInt(group || '0', 16))
  const value = ((high ?? 0) << 16) | (low ?? 0)
  return [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff).join('.')
}

function blockList(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', bits = ''] = block.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

const GLOBAL_UNICAST = blockList(['2000::/3'])
const NAT64 = blockList(['64:ff9b::/96'])

/** IANA IPv4 and IPv6 Special-Purpose Address Registries, multicast, and class E. */
const SPECIAL = blockList([
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared, behind carriers; some clouds keep metadata here
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '2001::/23', // protocol assignments: Teredo, ORCHID, benchmarks
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: an IPv4 address in disguise
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
])

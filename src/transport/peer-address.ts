import { BlockList, isIP } from 'node:net'

/** An IPv4 peer of a socket for both families is an IPv4 peer; a zone (`%eth0`) says nothing of who it is. */
export function peerAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, '')
}

/**
 * Addresses in any of the blocks.
 * @param blocks CIDR, e.g. '127.0.0.0/8'; throws TypeError where one is none
 */
export function addressesIn(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const block of blocks) {
    const [network = '', prefix = '', ...rest] = block.split('/')
    const family = familyOf(network)
    const bits = Number(prefix)
    if (family === null || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || bits > BITS[family]) {
      throw new TypeError(`not a CIDR block: ${block}`)
    }
    list.addSubnet(network, bits, family)
  }
  return address => {
    const family = familyOf(address)
    return family !== null && list.check(address, family)
  }
}

const BITS = { ipv4: 32, ipv6: 128 } as const

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address)
  return version === 0 ? null : version === 4 ? 'ipv4' : 'ipv6'
}

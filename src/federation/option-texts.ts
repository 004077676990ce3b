import { BlockList, isIP } from 'node:net'

/** Notes what is wrong with the option at a path. */
export type Problem = (path: string, what: string) => void

/** 'address:port' or '[address]:port'; null for all else */
export function readAddress(text: string): { readonly address: string; readonly port: number } | null {
  const match = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  return isIP(address) !== 0 && port <= MAX_PORT ? { address, port } : null
}

/** Whether it is a CIDR block. */
export function isBlock(text: string): boolean {
  const [address = '', bits = '', rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest !== undefined || !/^\d{1,3}$/.test(bits)) return false
  try {
    new BlockList().addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
    return true
  } catch {
    // The prefix is longer than the address.
    return false
  }
}

export function quoted(text: unknown): string {
  return JSON.stringify(text)
}

const MAX_PORT = 65_535

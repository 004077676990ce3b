import { isIP } from 'node:net'
import type { Limits } from '../base/index.ts'
import { REL_S2S_WEBSOCKET } from '../xmpp/index.ts'
import { type HostMeta, type Link, readTarget, servernameFor } from './link.ts'

export type JrdLimits = Pick<
  Limits,
  'addressesPerName' | 'hostMetaLinks' | 'hostMetaPins' | 'ttlMinMs' | 'ttlMaxMs' | 'ttlDefaultMs'
>

/** Read a JRD (RFC 6415 App. A) with the members of XEP-0487 0.1; null where it is none. */
export function readJrd(bytes: Uint8Array, limits: JrdLimits): HostMeta | null {
  const document = parse(bytes)
  if (document === null) return null
  const links = member(document, 'links')
  const xmpp = member(document, 'xmpp')
  const about = isObject(xmpp) ? xmpp : null
  return {
    links: Array.isArray(links) ? readLinks(links, limits) : [],
    complete: about !== null,
    ttlMs: about === null ? null : readTtl(member(about, 'ttl'), limits),
    pins: about === null ? [] : readPins(member(about, 'public-key-pins-sha-256'), limits),
  }
}

function parse(bytes: Uint8Array): object | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** DS-06: a malformed link voids itself only. */
function readLinks(values: readonly unknown[], limits: JrdLimits): Link[] {
  const links: Link[] = []
  for (const value of values) {
    if (links.length === limits.hostMetaLinks) break
    if (!isObject(value) || member(value, 'rel') !== REL_S2S_WEBSOCKET) continue
    const href = member(value, 'href')
    const target = typeof href === 'string' ? readTarget(href) : null
    if (target === null) continue
    links.push({
      ...target,
      addresses: readAddresses(member(value, 'ips'), limits),
      servername: servernameFor(target.host, member(value, 'sni')),
      priority: readUint16(member(value, 'priority')) ?? Number.POSITIVE_INFINITY,
      weight: readUint16(member(value, 'weight')) ?? 0,
    })
  }
  return links
}

/** DS-22: without a usable one, DNS is asked. Whether we may go there is the resolver's question. */
function readAddresses(value: unknown, limits: JrdLimits): readonly string[] | null {
  if (!Array.isArray(value)) return null
  const addresses = new Set<string>()
  for (const address of value) {
    if (addresses.size === MANY * limits.addressesPerName) break
    if (typeof address === 'string' && isIP(address) !== 0) addresses.add(address)
  }
  return addresses.size === 0 ? null : [...addresses]
}

/** DS-21: seconds; what is missing or no integer is the default. */
function readTtl(value: unknown, { ttlMinMs, ttlMaxMs, ttlDefaultMs }: JrdLimits): number {
  if (!Number.isInteger(value)) return ttlDefaultMs
  return Math.min(ttlMaxMs, Math.max(ttlMinMs, Number(value) * 1_000))
}

/** CT-40: SHA-256 of a key in base64; everything else is left out. */
function readPins(value: unknown, { hostMetaPins }: JrdLimits): string[] {
  if (!Array.isArray(value)) return []
  const isPin = (pin: unknown): pin is string => typeof pin === 'string' && PIN.test(pin)
  return value.filter(isPin).slice(0, hostMetaPins)
}

function readUint16(value: unknown): number | null {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff ? Number(value) : null
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Own members only. */
function member(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined
}

/** 32 bytes: 43 characters, the last of which has two bits to spare, and one of padding */
const PIN = /^[A-Za-z\d+/]{42}[AEIMQUYcgkosw048]=$/
/** times `addressesPerName`: some of a list may be refused before enough are found */
const MANY = 8

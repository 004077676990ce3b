import { isIP } from 'node:net'
import type { Clock, Limits } from '../base/index.ts'
import { notFederable, parseDomain, toAscii } from '../xmpp/index.ts'
import { type AddressGuard, createAddressGuard } from './addresses.ts'
import type { AddressBook, Endpoint, Resolved, Resolver } from './candidate.ts'
import { lookUp } from './dns.ts'

export interface ResolverOptions {
  /** 'host:port' -> 'address:port' (DECISIONS 26) */
  readonly connect: Readonly<Record<string, string>>
  /** CIDR blocks beyond the public internet */
  readonly allowPrivate: readonly string[]
  /** static endpoints: their hosts may have any name */
  readonly endpoints?: readonly { readonly url: string }[]
  /** 'address:port' each; default: those of the system */
  readonly dnsServers?: readonly string[]
  readonly limits: Pick<Limits, 'dnsMs' | 'dnsTries' | 'dnsFamilyMs' | 'addressesPerName'>
  readonly clock: Clock
}

export function createResolver(options: ResolverOptions): Resolver & AddressBook {
  const { limits } = options
  const overrides = new Map(
    Object.entries(options.connect).map(([from, to]) => {
      const { host, port } = splitPort(from)
      return [key(host, port), splitPort(to)] as const
    }),
  )
  const configured = new Set(options.endpoints?.map(({ url }) => canonicalHost(new URL(url).hostname)))
  const guard = createAddressGuard(options.allowPrivate)

  return {
    async resolve(host, port, addresses, signal) {
      const override = overrides.get(key(host, port))
      // The operator named this address for this host: that is leave enough.
      if (override !== undefined)
        return { ok: true, endpoints: [{ address: override.host, port: override.port }] }
      if (!isPortAllowed(port)) return forbidden(`port ${port} is none that we connect to`)
      if (addresses !== null) return vetted(host, port, addresses, guard, limits)
      const name = canonicalHost(host)
      if (isIP(name) !== 0) return vetted(name, port, [name], guard, limits)
      if (!configured.has(name)) {
        const refusal = refusedName(name)
        if (refusal !== null) return refusal
      }
      const found = await lookUp(name, options, signal)
      return found.ok ? vetted(host, port, found.addresses, guard, limits) : found
    },
    async addressesOf(host, signal) {
      const name = canonicalHost(host)
      const found =
        isIP(name) === 0 ? await lookUp(name, options, signal) : { ok: true as const, addresses: [name] }
      if (!found.ok) return found
      const addresses = found.addresses.filter(guard).slice(0, limits.addressesPerName)
      if (addresses.length > 0) return { ok: true, addresses }
      return { ...forbidden(`${host} has no public address`), absent: true }
    },
  }
}

/** DS-60: every address is vetted, and what is returned is what is connected to. */
function vetted(
  host: string,
  port: number,
  addresses: readonly string[],
  guard: AddressGuard,
  limits: Pick<Limits, 'addressesPerName'>,
): Resolved {
  const endpoints: Endpoint[] = []
  for (const address of addresses) {
    if (endpoints.length === limits.addressesPerName) break
    if (guard(address)) endpoints.push({ address, port })
  }
  if (endpoints.length > 0) return { ok: true, endpoints }
  return forbidden(`${host} has no address outside private and special-purpose networks`)
}

/** DS-61, DECISIONS 26: such names are never looked up. */
function refusedName(name: string): Resolved | null {
  const domain = parseDomain(name)
  if (domain === null)
    return { ok: false, failure: { by: 'network', kind: 'dns', detail: 'not the name of a host' } }
  return notFederable(domain) === null ? null : forbidden(`${name} is no name of the public network`)
}

function forbidden(detail: string) {
  return { ok: false, failure: { by: 'network', kind: 'forbidden-address', detail } } as const
}

/** DS-60: those of HTTPS and XMPP, and those that need no privilege. */
function isPortAllowed(port: number): boolean {
  return port >= 1024 || port === 443 || port === 5269 || port === 5270
}

function key(host: string, port: number): string {
  return `${canonicalHost(host)}:${port}`
}

/** A-labels in lower case, or an address without brackets. */
function canonicalHost(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  if (isIP(bare) === 4) return bare
  if (isIP(bare) === 6) return new URL(`http://[${bare}]`).hostname.slice(1, -1)
  const domain = parseDomain(bare)
  return domain === null ? bare : toAscii(domain)
}

function splitPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}

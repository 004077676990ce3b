import { Resolver } from 'node:dns/promises'
import type { Clock, Limits, LocalFailure, NetworkFailure, Timer } from '../base/index.ts'

export interface DnsOptions {
  /** 'address:port' each; default: those of the system */
  readonly dnsServers?: readonly string[]
  readonly limits: Pick<Limits, 'dnsMs' | 'dnsTries' | 'dnsFamilyMs'>
  readonly clock: Clock
}

export type LookedUp =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | {
      readonly ok: false
      readonly failure: NetworkFailure | LocalFailure
      /** DNS says that there is none; not merely that it did not say */
      readonly absent: boolean
    }

/**
 * The addresses of a name, IPv6 and IPv4 in turn (RFC 8305 §4). From DNS only, as an absolute name: no search list, and
 * no hosts file, in which a machine's own name is often a loopback address; `[network] connect` is the override.
 * The resolver is made anew each time: it reads the system's servers then, and can be cancelled alone.
 */
export function lookUp(name: string, options: DnsOptions, signal: AbortSignal): Promise<LookedUp> {
  const { limits, clock, dnsServers } = options
  // c-ares doubles its timeout with each try.
  const timeout = Math.ceil(limits.dnsMs / (2 ** limits.dnsTries - 1))
  const resolver = new Resolver({ timeout, tries: limits.dnsTries })
  if (dnsServers !== undefined) resolver.setServers(dnsServers)
  return new Promise(resolve => {
    const found: Record<Family, readonly string[] | null> = { ipv6: null, ipv4: null }
    const failures: { code: string }[] = []
    let pending = 2
    let settled = false
    const settle = (result: LookedUp) => {
      if (settled) return
      settled = true
      deadline.cancel()
      patience?.cancel()
      signal.removeEventListener('abort', onAbort)
      if (pending > 0) resolver.cancel()
      resolve(result)
    }
    const conclude = () => {
      const addresses = interleave(found.ipv6 ?? [], found.ipv4 ?? [])
      settle(addresses.length > 0 ? { ok: true, addresses } : failed(name, failures))
    }
    const onAbort = () =>
      settle({
        ok: false,
        absent: false,
        failure: { by: 'us', kind: 'aborted', detail: 'the caller gave up' },
      })
    const deadline = clock.setTimer(limits.dnsMs, () => {
      failures.push({ code: 'ETIMEOUT' })
      conclude()
    })
    let patience: Timer | null = null
    const ask = (family: Family, answer: Promise<string[]>) =>
      answer
        .then(
          addresses => {
            found[family] = addresses
            if (addresses.length > 0 && !settled) patience ??= clock.setTimer(limits.dnsFamilyMs, conclude)
          },
          (error: unknown) => {
            failures.push({ code: codeOf(error) })
          },
        )
        .then(() => {
          pending -= 1
          if (pending === 0) conclude()
        })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) {
      onAbort()
      return
    }
    void ask('ipv6', resolver.resolve6(name))
    void ask('ipv4', resolver.resolve4(name))
  })
}

type Family = 'ipv6' | 'ipv4'

function failed(name: string, failures: readonly { code: string }[]): LookedUp {
  const other = failures.find(({ code }) => !ABSENT.has(code))
  if (other === undefined)
    return {
      ok: false,
      absent: true,
      failure: { by: 'network', kind: 'dns', detail: `${name} has no address` },
    }
  const late = other.code === 'ETIMEOUT' || other.code === 'ECANCELLED'
  return {
    ok: false,
    absent: false,
    failure: late
      ? { by: 'network', kind: 'timeout', detail: `looking up ${name}: no answer in time` }
      : { by: 'network', kind: 'dns', detail: `looking up ${name} failed for now (${other.code})` },
  }
}

/** c-ares: no such name; the name has no record of that type */
const ABSENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

function interleave(first: readonly string[], second: readonly string[]): string[] {
  const both: string[] = []
  for (let index = 0; index < Math.max(first.length, second.length); index++)
    both.push(...first.slice(index, index + 1), ...second.slice(index, index + 1))
  return both
}

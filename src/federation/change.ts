import type { Domain } from '../xmpp/index.ts'
import type { Host, StreamHost } from './host.ts'
import { hostsOf, type Locals, namesOf } from './locals.ts'
import type { DomainSettings, FederationOptions } from './options.ts'

/** What becomes of local domains when their entries change. */
export interface Change {
  /** not ours so far */
  readonly added: readonly Domain[]
  /** not ours any more */
  readonly removed: readonly Domain[]
  /** ours as before, with another host */
  readonly moved: readonly Domain[]
  /** every domain that will be ours, and its entry */
  readonly entries: ReadonlyMap<Domain, DomainSettings>
  /** hosts that have not served so far, and their domains */
  readonly fresh: ReadonlyMap<Host | StreamHost, ReadonlySet<Domain>>
  /** hosts that will serve nothing */
  readonly idle: readonly (Host | StreamHost)[]
  /** hosts that go on without some of their domains */
  readonly parting: ReadonlyMap<Host | StreamHost, readonly Domain[]>
}

export function changeOf(locals: Locals, next: readonly DomainSettings[]): Change {
  const entries = new Map(next.flatMap(entry => namesOf(entry).map(name => [name, entry] as const)))
  const before = locals.hosts()
  const after = hostsOf(entries)
  const moved = [...entries].flatMap(([domain, { host }]) => {
    const known = locals.find(domain)
    return known !== null && known.host !== host ? [domain] : []
  })
  const going = [...before].flatMap(([host, domains]) => {
    const lost = [...domains].filter(domain => after.get(host)?.has(domain) !== true)
    return after.has(host) && lost.length > 0 ? [[host, lost] as const] : []
  })
  return {
    added: [...entries.keys()].filter(domain => !locals.has(domain)),
    removed: [...locals].flatMap(([domain]) => (entries.has(domain) ? [] : [domain])),
    moved,
    entries,
    fresh: new Map([...after].filter(([host]) => !before.has(host))),
    idle: [...before.keys()].filter(host => !after.has(host)),
    parting: new Map(going),
  }
}

/** The options other than domains and proxies in which the two differ. */
export function fixedDifferences(before: FederationOptions, next: FederationOptions): readonly string[] {
  return FIXED.filter(name => canonical(before[name]) !== canonical(next[name]))
}

const FIXED = [
  'listen',
  'trust',
  'network',
  'endpoints',
  'dialback',
  'dialbackSecret',
  'bidi',
  'streamManagement',
  'limits',
] as const satisfies readonly (keyof FederationOptions)[]

/** The same text for the same values, in whatever order their names stand. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) =>
      inner !== null && typeof inner === 'object' && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
        : inner,
    ) ?? ''
  )
}

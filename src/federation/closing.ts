import { type Clock, type Limits, within } from '../base/index.ts'
import type { Domain, DomainPair, Failure } from '../xmpp/index.ts'
import { type Host, isStreamHost, type StreamHost } from './host.ts'
import type { Inbound } from './inbound.ts'
import { ALL } from './pool.ts'
import { STOPPING } from './reasons.ts'
import type { Router } from './router.ts'

export interface Closing {
  readonly router: Router
  readonly inbound: Inbound
  readonly hosts: readonly (Host | StreamHost)[]
  readonly limits: Pick<Limits, 'drainStaggerMs'>
  readonly clock: Clock
}

/**
 * End everything in an order that loses nothing: streams that bring stanzas, then hosts in this process, then streams that
 * take stanzas: first those to servers of ours, as what they leave in doubt is told to peers.
 * What does not end in its share of the budget is ended by force.
 */
export async function closeInOrder(closing: Closing, deadlineMs: number): Promise<void> {
  const { router, inbound, hosts } = closing
  const { pool, legs } = router
  const { left, during, staggerMs } = budget(closing, deadlineMs)
  const stop = (stopping: readonly (Host | StreamHost)[], ms: number) =>
    during(ms, ...stopping.map(host => host.stop(ms)))
  const streamHosts = hosts.filter(isStreamHost)

  pool.stopDialling(ALL)
  // Peers first: what they have sent counts as taken once servers of ours say so, on the streams that those have opened.
  await inbound.end(staggerMs, left(INBOUND_SHARE))
  const serversMs = left(INBOUND_SHARE)
  await during(serversMs, ...streamHosts.map(host => host.endInbound(staggerMs, serversMs)))
  await during(left(SETTLE_SHARE), router.settled(), pool.drained(ALL), legs.drained(ALL))
  // What no stream takes goes back while there is somebody to take it.
  pool.bounceWaiting(ALL, STOPPING)
  await during(left(SETTLE_SHARE), router.settled(), legs.drained(ALL))
  legs.stopDialling(ALL)
  legs.bounceWaiting(ALL, STOPPING)
  await during(left(SETTLE_SHARE), router.settled())
  router.stopDelivering()
  await stop(
    hosts.filter(host => !isStreamHost(host)),
    left(HOSTS_SHARE),
  )
  await legs.end(ALL, STOPPING, staggerMs, left(LEGS_SHARE))
  await Promise.all([pool.end(ALL, STOPPING, staggerMs, left(1)), stop(streamHosts, left(1))])
}

export interface Leaving extends Closing {
  /** local domains, of which no new streams are taken any more */
  readonly domains: ReadonlySet<Domain>
  /** those that serve nothing else end; of the others, which of the domains */
  readonly parting: ReadonlyMap<Host | StreamHost, readonly Domain[]>
  /** what is said to peers, and to senders */
  readonly failure: Failure
}

/** The same for some of the local domains. What is another one's goes on meanwhile. */
export async function leaveInOrder(leaving: Leaving, deadlineMs: number): Promise<void> {
  const { router, inbound, domains, hosts, parting, failure } = leaving
  const { pool, legs } = router
  const { left, during, staggerMs } = budget(leaving, deadlineMs)
  const from = ({ local }: DomainPair) => domains.has(local)
  const to = ({ remote }: DomainPair) => domains.has(remote)
  const isOf = (domain: Domain) => domains.has(domain)

  pool.stopDialling(from)
  await inbound.endOf(domains, failure, staggerMs, left(INBOUND_SHARE))
  const serversMs = left(INBOUND_SHARE)
  const ended = [...parting].flatMap(([host, names]) =>
    isStreamHost(host) ? names.map(name => host.endInbound(staggerMs, serversMs, name)) : [],
  )
  const streamHosts = hosts.filter(isStreamHost)
  await during(serversMs, ...ended, ...streamHosts.map(host => host.endInbound(staggerMs, serversMs)))
  await during(left(SETTLE_SHARE), router.settled(isOf), pool.drained(from), legs.drained(to))
  pool.bounceWaiting(from, failure)
  await during(left(SETTLE_SHARE), router.settled(isOf), legs.drained(to))
  legs.stopDialling(to)
  legs.bounceWaiting(to, failure)
  await during(left(SETTLE_SHARE), router.settled(isOf))
  for (const domain of domains) router.leave(domain)
  const hostsMs = left(HOSTS_SHARE)
  const parted = [...parting].flatMap(([host, names]) => names.map(name => host.leave?.(name, hostsMs)))
  const stopped = hosts.filter(host => !isStreamHost(host)).map(host => host.stop(hostsMs))
  await during(hostsMs, ...parted, ...stopped)
  await legs.end(to, failure, staggerMs, left(LEGS_SHARE))
  const restMs = left(1)
  const last = streamHosts.map(host => host.stop(restMs))
  await Promise.all([pool.end(from, STOPPING, staggerMs, restMs), during(restMs, ...last)])
  pool.forget(from)
  legs.forget(to)
}

function budget({ limits, clock }: Pick<Closing, 'limits' | 'clock'>, deadlineMs: number) {
  const untilMs = clock.monotonicMs() + deadlineMs
  return {
    left: (share: number) => Math.max(0, (untilMs - clock.monotonicMs()) * share),
    during: (ms: number, ...work: readonly (Promise<unknown> | undefined)[]) =>
      within(Promise.all(work), ms, clock),
    staggerMs: Math.min(limits.drainStaggerMs, deadlineMs * STAGGER_SHARE),
  }
}

// Shares of what is left of the budget: peers and hosts that answer need milliseconds, those that do not get these.
const INBOUND_SHARE = 0.4
const SETTLE_SHARE = 0.2
const HOSTS_SHARE = 0.4
const LEGS_SHARE = 0.5
const STAGGER_SHARE = 0.1

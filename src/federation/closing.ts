import { type Clock, type Limits, within } from '../base/index.ts'
import { type Host, isStreamHost, type StreamHost } from './host.ts'
import type { Inbound } from './inbound.ts'
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
  const { router, inbound, hosts, limits, clock } = closing
  const { pool, legs } = router
  const untilMs = clock.monotonicMs() + deadlineMs
  const left = (share: number) => Math.max(0, (untilMs - clock.monotonicMs()) * share)
  const during = (ms: number, ...work: readonly Promise<unknown>[]) => within(Promise.all(work), ms, clock)
  const stop = (stopping: readonly (Host | StreamHost)[], ms: number) =>
    during(ms, ...stopping.map(host => host.stop(ms)))
  const staggerMs = Math.min(limits.drainStaggerMs, deadlineMs * STAGGER_SHARE)
  const streamHosts = hosts.filter(isStreamHost)

  pool.stopDialling()
  // Peers first: what they have sent counts as taken once servers of ours say so, on the streams that those have opened.
  await inbound.end(staggerMs, left(INBOUND_SHARE))
  const serversMs = left(INBOUND_SHARE)
  await during(serversMs, ...streamHosts.map(host => host.endInbound(staggerMs, serversMs)))
  await during(left(SETTLE_SHARE), router.settled(), pool.drained(), legs.drained())
  // What no stream takes goes back while there is somebody to take it.
  pool.bounceWaiting(STOPPING)
  await during(left(SETTLE_SHARE), router.settled(), legs.drained())
  legs.stopDialling()
  legs.bounceWaiting(STOPPING)
  await during(left(SETTLE_SHARE), router.settled())
  router.stopDelivering()
  await stop(
    hosts.filter(host => !isStreamHost(host)),
    left(HOSTS_SHARE),
  )
  await legs.end(STOPPING, staggerMs, left(LEGS_SHARE))
  await Promise.all([pool.end(STOPPING, staggerMs, left(1)), stop(streamHosts, left(1))])
}

// Shares of what is left of the budget: peers and hosts that answer need milliseconds, those that do not get these.
const INBOUND_SHARE = 0.4
const SETTLE_SHARE = 0.2
const HOSTS_SHARE = 0.4
const LEGS_SHARE = 0.5
const STAGGER_SHARE = 0.1

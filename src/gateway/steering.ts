import { type Event, Observer } from '../base/index.ts'
import { systemClock, systemRandom } from '../base/system.ts'
import type { XmppServerHost } from '../hosts/index.ts'
import type { Federation } from '../index.ts'
import { createSteering, type Steering } from '../steering/index.ts'
import type { Config } from './config/config.ts'

/**
 * The DNS responder of a configuration, null where it wants none. Of a domain it says that it is here where the domain is
 * found on WebSocket, or always but for our own (DECISIONS 28).
 * @param server whose listener it sends to
 */
export async function startSteering(
  { steering, domains, limits }: Pick<Config, 'steering' | 'domains' | 'limits'>,
  server: XmppServerHost | null,
  federation: Federation,
  onEvent: (event: Event) => void,
): Promise<Steering | null> {
  const [target] = server?.listening ?? []
  if (steering === null || target === undefined) return null
  const own = new Set(domains.flatMap(({ name, also }) => [name, ...also]))
  const observer = new Observer()
  observer.subscribe(onEvent)
  const { steer, listen, upstream } = steering
  return createSteering({
    listen: [{ address: listen.host, port: listen.port }],
    upstream: upstream.map(({ host, port }) => ({ address: host, port })),
    target: { port: target.port },
    decide: domain => {
      if (own.has(domain)) return false
      if (steer === 'all') return true
      // Whoever asks waits less long, and finds it the next time.
      return federation.isOnWebSocket(domain, { signal: AbortSignal.timeout(limits.attemptMs) })
    },
    limits,
    clock: systemClock,
    random: systemRandom,
    observer,
  })
}

import { type Event, Observer } from '../base/index.ts'
import { systemClock, systemRandom } from '../base/system.ts'
import type { XmppServerHost } from '../hosts/index.ts'
import type { Federation } from '../index.ts'
import { createSteering, type Steering } from '../steering/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { Config } from './config/config.ts'

/**
 * The DNS responder of a configuration, null where it wants none. Of a domain it says that it is here where the domain is
 * found on WebSocket, or always but for our own (DECISIONS 28).
 * @param server whose listener it sends to
 * @param domains those in force
 */
export async function startSteering(
  { steering, limits }: Pick<Config, 'steering' | 'limits'>,
  server: XmppServerHost | null,
  domains: () => Config['domains'],
  federation: Federation,
  onEvent: (event: Event) => void,
): Promise<Steering | null> {
  const [target] = server?.listening ?? []
  if (steering === null || target === undefined) return null
  const isOwn = (domain: Domain) =>
    domains().some(({ name, also }) => name === domain || also.includes(domain))
  const observer = new Observer()
  observer.subscribe(onEvent)
  const { steer, listen, upstream } = steering
  return createSteering({
    listen: [{ address: listen.host, port: listen.port }],
    upstream: upstream.map(({ host, port }) => ({ address: host, port })),
    target: { port: target.port },
    decide: domain => {
      if (isOwn(domain)) return false
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

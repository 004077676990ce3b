import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { Decide } from './decisions.ts'
import { type Endpoint, steeringProblem } from './endpoint.ts'
import { Responder } from './responder.ts'
import { listenTcp } from './tcp.ts'
import { type Bound, listenUdp } from './udp.ts'

export interface SteeringOptions {
  /** loopback addresses, UDP and TCP; port 0: a free one, the same for both */
  readonly listen: readonly Endpoint[]
  /** resolvers for everything else, in the order in which they are asked; none of them may be ourselves */
  readonly upstream: readonly Endpoint[]
  /** where at `localhost.` the gateway takes the streams that the local server opens */
  readonly target: { readonly port: number }
  /** false for domains that the local server serves */
  readonly decide: Decide
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  readonly observer: Observer
}

export interface Steering {
  /** bound addresses, in the order of `listen` */
  readonly listening: readonly Endpoint[]
  /** Answer nothing further; what waits gets no answer. Idempotent. */
  close(): Promise<void>
}

/**
 * Bind and answer. Rejects, with nothing left bound, where an address cannot be had; with a TypeError where
 * `steeringProblem` has one.
 */
export async function createSteering(options: SteeringOptions): Promise<Steering> {
  const { listen, upstream, observer } = options
  refuseProblem(listen, upstream)
  const responder = new Responder(options)
  const places: Place[] = []
  let closed: Promise<void> | null = null
  const close = () => {
    responder.close()
    closed ??= Promise.all(places.map(place => place.close())).then(() => {})
    return closed
  }
  try {
    for (const endpoint of listen) places.push(await occupy(endpoint, responder, options))
    // A free port may be the one at which a resolver was expected.
    refuseProblem(places, upstream)
  } catch (error) {
    await close()
    throw error
  }
  const listening = places.map(({ address, port }) => ({ address, port }))
  for (const endpoint of listening) observer.publish({ type: 'steering:listening', ...endpoint })
  return { listening, close }
}

interface Place extends Endpoint {
  close(): Promise<void>
}

/** Both protocols on one port. */
async function occupy(endpoint: Endpoint, responder: Responder, options: SteeringOptions): Promise<Place> {
  const { limits, clock } = options
  const { address } = endpoint
  for (let tries = 1; ; tries++) {
    const udp = await listenUdp(endpoint, responder)
    let tcp: Bound
    try {
      tcp = await listenTcp({ address, port: udp.port }, { responder, limits, clock })
    } catch (error) {
      await udp.close()
      // What is free for one protocol need not be for the other.
      if (endpoint.port === 0 && tries < FREE_PORT_TRIES) continue
      throw error
    }
    const close = () => Promise.all([udp.close(), tcp.close()]).then(() => {})
    return { address, port: udp.port, close }
  }
}

const FREE_PORT_TRIES = 16

function refuseProblem(listen: readonly Endpoint[], upstream: readonly Endpoint[]): void {
  const problem = steeringProblem(listen, upstream)
  if (problem !== null) throw new TypeError(problem)
}

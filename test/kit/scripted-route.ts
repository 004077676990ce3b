import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { Account } from '../../src/federation/account.ts'
import { AdoptedStream } from '../../src/federation/adopted.ts'
import type { Adopted } from '../../src/federation/connect.ts'
import { TO_PEERS } from '../../src/federation/policy.ts'
import { Route } from '../../src/federation/route.ts'
import type { RouteOptions } from '../../src/federation/route-options.ts'
import type { Stanza } from '../../src/xmpp/index.ts'
import { VirtualClock } from './clock.ts'
import {
  LONGEST,
  numbered,
  type OnSend,
  PAIR,
  RecordedReturns,
  ScriptedNetwork,
  ScriptedSession,
} from './scripted-network.ts'

/** One route, and all that it sees. */
export class ScriptedRoute {
  readonly network = new ScriptedNetwork()
  readonly clock = new VirtualClock()
  readonly returns = new RecordedReturns()
  readonly account = new Account()
  readonly events: Event[] = []
  /** what came on bidi streams of ours */
  readonly received: Stanza[] = []
  /** what whoever brings such a stanza waits for */
  busy: Promise<void> | undefined
  forgotten = 0
  readonly limits: Limits
  readonly way: Route

  constructor(limits: Partial<Limits> = {}, options: Partial<RouteOptions> = {}) {
    const { network, clock, returns, account } = this
    this.limits = { ...defaultLimits, ...limits }
    const observer = new Observer()
    observer.subscribe(event => this.events.push(event))
    this.way = new Route({
      pair: PAIR,
      connect: network.connect,
      receive: stanza => {
        this.received.push(stanza)
        return this.busy
      },
      keepUp: false,
      policy: TO_PEERS,
      returns,
      account,
      total: { bytes: 0 },
      observer,
      limits: this.limits,
      clock,
      random: LONGEST,
      onForgettable: () => {
        this.forgotten += 1
      },
      ...options,
    })
  }

  offer(from: number, until = from, bytes = 100): void {
    for (let number = from; number <= until; number++) this.way.offer(numbered(number, { bytes }))
  }

  /** A first stream, for stanza 0, which is confirmed. */
  open(stream: Parameters<ScriptedNetwork['last']['succeed']>[0] = {}): ScriptedSession {
    this.offer(0)
    const session = this.network.last.succeed(stream)
    session.confirm(1)
    return session
  }

  /** The peer opens a bidi stream. */
  async adopt(options: { maxBytes?: number; room?: number } = {}): Promise<ScriptedSession> {
    const session = peerStream(options)
    const adopted = new AdoptedStream(session, (_, share) => this.way.adopt(share))
    session.handler = adopted
    adopted.take(PAIR)
    await Promise.resolve()
    return session
  }

  /** Until the route has seen that all is confirmed. */
  look(): void {
    this.clock.advance(50)
  }
}

/** A bidi stream that a peer has opened; whoever adopts it is its handler. */
export type PeerSession = ScriptedSession & { handler: Adopted | null }

export function peerStream(
  { room, ...stream }: { maxBytes?: number; room?: number } = {},
  onSend?: OnSend,
): PeerSession {
  const session = new ScriptedSession(null, { bidi: true, ...stream }, onSend)
  if (room !== undefined) session.room = room
  return session as PeerSession
}

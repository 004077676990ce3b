import { type Bench, compare } from './bench.ts'
import { identities } from './certificates.ts'
import { Child } from './child.ts'
import type { BareInitiating } from './children/bare-initiating.ts'
import type { BareReceiving } from './children/bare-receiving.ts'
import type { FederationInitiating } from './children/federation-initiating.ts'
import type { FederationReceiving } from './children/federation-receiving.ts'
import { corpus } from './corpus/index.ts'

const ROUNDS = 7
/** in the first round, which does not count, and from which the others' length follows */
const FIRST_STANZAS = 20_000
/** how long one half of a round takes, about */
const HALF_MS = 1_000

/**
 * The corpus over and over, from an embedded host to an embedded host in another process. Beside it the same messages
 * through a WebSocket of `ws` alone, between two processes of their own, over the same TLS. The stanzas exist before
 * they are sent on both sides; only the pair that is measured is busy.
 */
export const oneWay: Bench = {
  name: 'one-way',
  title: 'stanzas from host to host over wss, against ws alone',
  unit: 'x',
  limit: { atLeast: 0.15 },
  async run(signal) {
    const { initiating, receiving } = identities()
    const host = Child.start<FederationReceiving>('federation-receiving', signal)
    const sender = Child.start<FederationInitiating>('federation-initiating', signal)
    const bareReceiver = Child.start<BareReceiving>('bare-receiving', signal)
    const bareSender = Child.start<BareInitiating>('bare-initiating', signal)
    const children = [host, sender, bareReceiver, bareSender]
    try {
      const { port } = await host.call('start', receiving)
      await sender.call('start', { identity: initiating, port, domains: 0 })
      const barePort = await bareReceiver.call('start', receiving)
      await bareSender.call('start', { identity: initiating, port: barePort })

      const ours = rate(
        count => host.call('stanzas', count),
        count => sender.call('send', count),
      )
      const theirs = rate(
        count => bareReceiver.call('stanzas', count),
        count => bareSender.call('send', count),
      )
      const measured = await compare(ROUNDS, ours, theirs)
      const bytes = corpus().reduce((sum, stanza) => sum + stanza.length, 0) / corpus().length
      return {
        figure: measured.ratio,
        details: [
          ['ours', measured.ours, 'stanzas/s'],
          ['ours', (measured.ours * bytes) / 1e6, 'MB/s'],
          ['ws alone', measured.theirs, 'messages/s'],
        ],
      }
    } finally {
      await Promise.all(children.map(child => child.end()))
    }
  },
}

/** Stanzas per second of one half of a round, which is as long as the last one's rate says. */
function rate(
  received: (count: number) => Promise<void>,
  send: (count: number) => Promise<void>,
): () => Promise<number> {
  let count = FIRST_STANZAS
  return async () => {
    const startMs = performance.now()
    await Promise.all([received(count), send(count)])
    const perSecond = (count * 1_000) / (performance.now() - startMs)
    count = Math.round((perSecond * HALF_MS) / 1_000)
    return perSecond
  }
}

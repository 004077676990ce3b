import { type Bench, compare } from './bench.ts'
import { identities } from './certificates.ts'
import { Child } from './child.ts'
import type { FederationInitiating } from './children/federation-initiating.ts'
import type { FederationReceiving } from './children/federation-receiving.ts'
import type { TlsInitiating } from './children/tls-initiating.ts'
import type { TlsReceiving } from './children/tls-receiving.ts'

const ROUNDS = 7
/** in one half of a round */
const COUNT = 400
const CONCURRENCY = 16

/**
 * Streams from the TCP connection to `established` on both sides, each of another pair of domains, each for a stanza
 * that waits for it. Beside it mutual TLS handshakes alone, with the same certificates and settings. What has been set
 * up stays open until the round is over; ending it is not measured.
 */
export const setup: Bench = {
  name: 'setup',
  title: 'streams set up, TLS to established, against TLS alone',
  unit: 'x',
  limit: { atLeast: 0.5 },
  async run(signal) {
    const { initiating, receiving } = identities()
    const host = Child.start<FederationReceiving>('federation-receiving', signal)
    const dialler = Child.start<FederationInitiating>('federation-initiating', signal)
    const tlsServer = Child.start<TlsReceiving>('tls-receiving', signal)
    const tlsClient = Child.start<TlsInitiating>('tls-initiating', signal)
    const children = [host, dialler, tlsServer, tlsClient]
    try {
      const { port } = await host.call('start', receiving)
      const tlsPort = await tlsServer.call('start', receiving)
      const load = { count: COUNT, concurrency: CONCURRENCY }

      const ours = async () => {
        await dialler.call('start', { identity: initiating, port, domains: COUNT })
        return await rate(() => Promise.all([host.call('streams', COUNT), dialler.call('open', load)]))
      }
      const theirs = async () => {
        await tlsClient.call('close')
        return await rate(() =>
          Promise.all([
            tlsServer.call('streams', COUNT),
            tlsClient.call('open', { identity: initiating, port: tlsPort, ...load }),
          ]),
        )
      }
      const measured = await compare(ROUNDS, ours, theirs)
      return {
        figure: measured.ratio,
        details: [
          ['ours', measured.ours, 'streams/s'],
          ['TLS alone', measured.theirs, 'handshakes/s'],
        ],
      }
    } finally {
      await Promise.all(children.map(child => child.end()))
    }
  },
}

async function rate(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return (COUNT * 1_000) / (performance.now() - startMs)
}

import { freePorts } from '../kit/command.ts'
import { type Bench, compare } from './bench.ts'
import { identities } from './certificates.ts'
import { Child } from './child.ts'
import type { FederationInitiating } from './children/federation-initiating.ts'
import type { FederationReceiving } from './children/federation-receiving.ts'

const ROUNDS = 7
/** in one half of a round */
const COUNT = 100
const CONCURRENCY = 16

/**
 * Streams set up by dialback, against streams set up by SASL EXTERNAL: one direction, static endpoints, the same two
 * federations. They differ in the port that is dialled: the one asks for certificates, the other sees none, so that the one
 * who is dialled dials back, and asks on a connection of its own. Two TLS handshakes then, instead of one.
 */
export const setupByDialback: Bench = {
  name: 'setup-dialback',
  title: 'time to set up streams by dialback, against SASL EXTERNAL',
  unit: 'x',
  limit: { atMost: 2.5 },
  async run(signal) {
    const { initiating, receiving } = identities()
    const host = Child.start<FederationReceiving>('federation-receiving', signal)
    const dialler = Child.start<FederationInitiating>('federation-initiating', signal)
    try {
      // Chosen before either is there, as each is told the other's.
      const [listen = 0] = await freePorts(1)
      const domains = Array.from({ length: COUNT }, (_, index) => `d${index}.capulet.example`)
      const ports = await host.call('start', receiving, { domains, port: listen })

      const perStreamMs = (port: number, wanted: string) => async () => {
        await dialler.call('start', { identity: initiating, port, domains: COUNT, listen })
        const startMs = performance.now()
        const load = { count: COUNT, concurrency: CONCURRENCY }
        const [, authentication] = await Promise.all([
          host.call('streams', COUNT),
          dialler.call('open', load),
        ])
        if (authentication !== wanted) throw new Error(`${authentication} instead of ${wanted}`)
        return (performance.now() - startMs) / COUNT
      }
      const measured = await compare(
        ROUNDS,
        perStreamMs(ports.withoutCertificates, 'dialback'),
        perStreamMs(ports.port, 'sasl-external'),
      )
      return {
        figure: measured.ratio,
        details: [
          ['dialback', measured.ours, 'ms/stream'],
          ['EXTERNAL', measured.theirs, 'ms/stream'],
        ],
      }
    } finally {
      await Promise.all([host.end(), dialler.end()])
    }
  },
}

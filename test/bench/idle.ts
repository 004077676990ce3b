import type { Bench } from './bench.ts'
import { identities } from './certificates.ts'
import { Child } from './child.ts'
import type { FederationInitiating } from './children/federation-initiating.ts'
import type { FederationReceiving } from './children/federation-receiving.ts'

const STREAMS = 1_000
/** first, and not counted: what any number needs, of which the young generation of the heap takes longest to grow */
const FIRST_STREAMS = 300
const CONCURRENCY = 16
const KIB = 1_024

/**
 * What an authenticated stream that says nothing costs the receiving process: the growth of its resident memory over a
 * thousand streams, after garbage collection. Resident memory holds what OpenSSL keeps, most of it, which the heap of
 * JavaScript does not show.
 */
export const idle: Bench = {
  name: 'idle',
  title: 'an idle stream on the receiving side, of 1 000',
  unit: 'KiB',
  limit: { atMost: 90 },
  async run(signal) {
    const { initiating, receiving } = identities()
    const host = Child.start<FederationReceiving>('federation-receiving', signal, ['--expose-gc'])
    const dialler = Child.start<FederationInitiating>('federation-initiating', signal)
    try {
      const { port } = await host.call('start', receiving)
      await dialler.call('start', { identity: initiating, port, domains: FIRST_STREAMS + STREAMS })
      const open = (count: number) =>
        Promise.all([host.call('streams', count), dialler.call('open', { count, concurrency: CONCURRENCY })])
      await open(FIRST_STREAMS)
      const before = await host.call('memory')
      await open(STREAMS)
      const after = await host.call('memory')
      const each = (what: 'rss' | 'heap' | 'external') => (after[what] - before[what]) / STREAMS / KIB
      return {
        figure: each('rss'),
        details: [
          ['heap', each('heap'), 'KiB'],
          ['external', each('external'), 'KiB'],
        ],
      }
    } finally {
      await Promise.all([host.end(), dialler.end()])
    }
  },
}

import {
  createFederation,
  type Delivery,
  embedded,
  type Federation,
  type Host,
  type HostContext,
  type Stanza,
} from '../../../src/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { Countdown } from '../countdown.ts'
import { BENCH_LIMITS } from '../limits.ts'

// A federation that is dialled: counts stanzas and streams.

const stanzas = new Countdown()
const streams = new Countdown()
let federation: Federation | null = null

/**
 * An embedded host that is told of every message. Requests it takes for a person to answer: what they would be answered
 * would go the other way, which is not measured.
 */
class CountingHost implements Host {
  readonly name = 'counting'
  readonly #inside = embedded({ onMessage: () => undefined })

  start(context: HostContext): void | Promise<void> {
    return this.#inside.start(context)
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    stanzas.one()
    return stanza.kind === 'iq' ? TAKEN : this.#inside.deliver(stanza)
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#inside.stop(deadlineMs)
  }
}

const TAKEN: Delivery = { taken: true }

const calls = {
  /**
   * @param callers who may be asked about a key: domains, and the port at which all of them are reached
   * @returns the port that asks for certificates, and the one that does not
   */
  async start(
    identity: Identity,
    callers: { domains: readonly string[]; port: number } = { domains: [], port: 0 },
  ): Promise<{ port: number; withoutCertificates: number }> {
    federation = await createFederation({
      domains: [
        {
          name: 'montague.example',
          url: 'wss://montague.example/s2s',
          ips: ['127.0.0.1'],
          certificate: identity.certificate,
          key: identity.key,
          host: new CountingHost(),
        },
      ],
      listen: [{ address: '127.0.0.1:0' }, { address: '127.0.0.1:0', clientCertificates: 'off' }],
      network: {
        allowPrivate: ['127.0.0.0/8'],
        connect: { 'capulet.example:443': `127.0.0.1:${callers.port}` },
      },
      endpoints: callers.domains.map(domain => ({ domain, url: 'wss://capulet.example/s2s' })),
      trust: { ca: [identity.ca] },
      limits: BENCH_LIMITS,
      onEvent: event => {
        if (event.type === 'stream:established') streams.one()
      },
    })
    const [asking, other] = federation.listening
    return { port: asking?.port ?? 0, withoutCertificates: other?.port ?? 0 }
  },

  /** Resolves when so many more have been delivered. */
  stanzas: (count: number): Promise<void> => stanzas.wait(count),

  /** Resolves when so many more have been established. */
  streams: (count: number): Promise<void> => streams.wait(count),

  /** After garbage collection; needs --expose-gc. */
  async memory(): Promise<{ rss: number; heap: number; external: number }> {
    if (gc === undefined) throw new Error('no --expose-gc')
    for (let times = 0; times < 3; times++) {
      await new Promise(resolve => setTimeout(resolve, 100))
      gc()
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heap: heapUsed, external }
  },
}

export type FederationReceiving = typeof calls

answer(calls)

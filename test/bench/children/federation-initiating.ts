import { defaultLimits } from '../../../src/base/index.ts'
import {
  createFederation,
  type EmbeddedHost,
  embedded,
  type Federation,
  message,
  type Stanza,
} from '../../../src/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../../src/xml/index.ts'
import { isViolation, stanzaFromScanned } from '../../../src/xmpp/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { corpus } from '../corpus/index.ts'
import { BENCH_LIMITS } from '../limits.ts'

// A federation that dials: sends the corpus on one stream, or opens streams of many domains.

let federation: Federation | null = null
let host: EmbeddedHost = embedded()
/** domains that have no stream yet */
let fresh: string[] = []
let onEstablished: () => void = () => {}
/** of all its streams */
let authentication = ''
const stanzas = corpus().map(read)
let next = 0

function read(bytes: Uint8Array): Stanza {
  const scanned = scanDocument(bytes, xmlLimits(defaultLimits, 'authenticated'))
  if (isXmlViolation(scanned)) throw new Error(scanned.detail)
  const stanza = stanzaFromScanned(scanned)
  if (isViolation(stanza)) throw new Error(stanza.detail)
  return stanza
}

function greet(domain: string): void {
  const greeting = message({ from: domain, to: 'watch@montague.example', body: 'Good evening' })
  void federation?.send(greeting)
}

const calls = {
  /**
   * Anew: nothing of an earlier one stays.
   * @param domains how many subdomains it serves beside its own
   * @param listen the port at which peers reach it; absent: nobody tries
   */
  async start(options: {
    identity: Identity
    port: number
    domains: number
    listen?: number
  }): Promise<void> {
    const { identity, port, domains, listen } = options
    await federation?.close()
    host = embedded()
    authentication = ''
    fresh = Array.from({ length: domains }, (_, index) => `d${index}.capulet.example`)
    federation = await createFederation({
      domains: [
        {
          name: 'capulet.example',
          also: fresh,
          // A domain without one would ask for stanzas both ways.
          url: 'wss://capulet.example/s2s',
          ips: ['127.0.0.1'],
          certificate: identity.certificate,
          key: identity.key,
          host,
        },
      ],
      listen: listen === undefined ? [] : [{ address: `127.0.0.1:${listen}` }],
      trust: { ca: [identity.ca] },
      network: { allowPrivate: ['127.0.0.0/8'], connect: { 'montague.example:443': `127.0.0.1:${port}` } },
      endpoints: [{ domain: 'montague.example', url: 'wss://montague.example/s2s' }],
      limits: BENCH_LIMITS,
      onEvent: event => {
        if (event.type === 'stream:established') {
          if (authentication === '') authentication = event.authentication
          else if (authentication !== event.authentication) authentication = 'mixed'
          onEstablished()
        }
        if (event.type === 'stanza:bounced') throw new Error(event.detail)
      },
    })
  },

  /** From the host, in its own time; resolves when the last one has been accepted. */
  async send(count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const stanza = stanzas[next]
      next = (next + 1) % stanzas.length
      if (stanza === undefined) throw new Error('no corpus')
      const room = host.send(stanza)
      if (room !== undefined) await room
    }
  },

  /**
   * One stream for each of so many domains, so many at a time. Resolves when all are established.
   * @returns how all have authenticated, or 'mixed'
   */
  open({ count, concurrency }: { count: number; concurrency: number }): Promise<string> {
    const domains = fresh.splice(0, count)
    if (domains.length < count) throw new Error('not so many domains')
    let left = count
    return new Promise(resolve => {
      onEstablished = () => {
        left -= 1
        const domain = domains.pop()
        if (domain !== undefined) greet(domain)
        if (left === 0) resolve(authentication)
      }
      for (const domain of domains.splice(0, concurrency)) greet(domain)
    })
  },
}

export type FederationInitiating = typeof calls

answer(calls)

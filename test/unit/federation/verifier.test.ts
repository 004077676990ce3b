import { type AddressInfo, createServer } from 'node:net'
import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import type { Candidate, Discovered, Resolved } from '../../../src/discovery/index.ts'
import { Verifier } from '../../../src/federation/verifier.ts'
import { createTrustStore } from '../../../src/identity/index.ts'
import { createTlsContext } from '../../../src/transport/index.ts'
import { MONTAGUE, PAIR } from '../../kit/scripted-network.ts'

// Whom a key has us look up: nobody is reached here.

const VERIFICATION = { pair: PAIR, from: MONTAGUE, to: PAIR.local, id: 'an id', key: 'a key' }
const UNKNOWN: Resolved = { ok: false, failure: { by: 'network', kind: 'dns', detail: 'no address' } }

let lookedUp: string[]
let forgotten: string[]

/** what every host resolves to */
let resolved: Resolved

beforeEach(() => {
  lookedUp = []
  forgotten = []
  resolved = UNKNOWN
})

function verifier(hosts: readonly string[]): Verifier {
  const context = createTlsContext({ identity: null, ca: [] })
  const discovered: Discovered = { ok: true, candidates: hosts.map(candidate), source: 'test' }
  return new Verifier({
    discovery: { discover: async () => discovered, forget: domain => void forgotten.push(domain) },
    resolver: {
      async resolve(host) {
        lookedUp.push(host)
        return resolved
      },
    },
    trust: createTrustStore({ roots: [] }),
    secureContext: () => context,
    observer: new Observer(),
    random: systemRandom,
    clock: systemClock,
    limits: defaultLimits,
  })
}

function candidate(host: string): Candidate {
  return {
    kind: 'websocket',
    url: `wss://${host}/s2s`,
    host,
    port: 443,
    addresses: null,
    servername: host,
    names: { domain: MONTAGUE, hosts: [host], pins: [] },
    source: 'host-meta',
  }
}

const never = new AbortController().signal

describe('the endpoints of a domain', () => {
  it('are asked one after the other, though the name of one does not resolve', async () => {
    const outcome = await verifier(['old.example', 'new.example']).verify(VERIFICATION, '192.0.2.1', never)
    expect(outcome).toMatchObject({ type: 'error', condition: 'remote-server-not-found' })
    expect(lookedUp).toEqual(['old.example', 'new.example'])
    expect(forgotten).toEqual([MONTAGUE])
  })

  it('are called at two addresses each, however many they have', async () => {
    const victim = createServer(socket => socket.destroy())
    let connections = 0
    victim.on('connection', () => {
      connections += 1
    })
    await new Promise<void>(resolve => victim.listen(0, '127.0.0.1', resolve))
    const { port } = victim.address() as AddressInfo
    resolved = { ok: true, endpoints: Array(8).fill({ address: '127.0.0.1', port }) }
    const outcome = await verifier(['one.example', 'other.example']).verify(VERIFICATION, '192.0.2.1', never)
    expect(outcome).toMatchObject({ type: 'error', condition: 'remote-server-timeout' })
    expect(connections).toBe(2 * 2)
    await new Promise(resolve => victim.close(resolve))
  })
})

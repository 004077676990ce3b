import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Event } from '../../src/base/index.ts'
import type { Host, HostContext } from '../../src/federation/index.ts'
import {
  createFederation,
  type DomainOptions,
  embedded,
  type Federation,
  type FederationOptions,
  message,
  type Stanza,
} from '../../src/index.ts'
import { twoFederations, type Verona } from '../kit/federations.ts'
import { domain } from '../kit/fronts.ts'
import { createRelay, type Relay } from '../kit/relay.ts'

// A federation that runs becomes another one: its domains change, and whoever has nothing to do with that notices nothing.
// verona.example has paris.example and, later, laurence.example; capulet.example and montague.example write to them.

const NAMES = ['paris.example', 'laurence.example'] as const

let towns: Verona
let relay: Relay
let verona: Federation
let events: Event[]
let paris: People
let common: Omit<FederationOptions, 'domains'>
let certificate: ReturnType<Verona['authority']['issue']>

/** Remembers what comes. */
class People implements Host {
  readonly name = 'embedded'
  readonly bodies: string[] = []
  readonly errors: Stanza[] = []
  context: HostContext | null = null
  stopped = false

  start(context: HostContext): void {
    this.context = context
  }

  deliver(stanza: Stanza) {
    if (stanza.type === 'error') this.errors.push(stanza)
    else this.bodies.push(stanza.id)
    return { taken: true } as const
  }

  async stop(): Promise<void> {
    this.stopped = true
  }
}

const options = (name: string, host: Host, more: Partial<DomainOptions> = {}): DomainOptions => ({
  name,
  url: `wss://${name}/s2s`,
  ips: ['127.0.0.1'],
  certificate: certificate.certificatePem,
  key: certificate.keyPem,
  host,
  ...more,
})

const become = (...domains: DomainOptions[]) => verona.reconfigure({ ...common, domains })

beforeEach(async () => {
  relay = await createRelay()
  const connect = Object.fromEntries(NAMES.map(name => [`${name}:443`, relay.address]))
  towns = await twoFederations({ connect })
  certificate = towns.authority.issue({ dns: [...NAMES] })
  events = []
  paris = new People()
  const names = ['capulet.example', 'montague.example']
  const peers = [towns.capulet.relay.address, towns.montague.relay.address]
  common = {
    listen: [{ address: '127.0.0.1:0' }],
    trust: { ca: [towns.authority.caPem] },
    network: {
      allowPrivate: ['127.0.0.0/8'],
      connect: Object.fromEntries(names.map((name, index) => [`${name}:443`, peers[index] ?? ''])),
    },
    limits: { newBurstPerAddress: 10_000, newPerSecondPerAddress: 10_000 },
    onEvent: event => events.push(event),
  }
  verona = await createFederation({ ...common, domains: [options('paris.example', paris)] })
  relay.target = verona.listening[0]?.port ?? null
})
afterEach(async () => {
  await verona.close({ deadlineMs: 2_000 })
  await towns.close()
  await relay.close()
})

const write = (from: Verona['capulet'], name: string, to: string, id: string) =>
  from.host.send(message({ from: `tybalt@${name}`, to: `page@${to}`, id, type: 'chat', body: id }))
const fromCapulet = (to: string, id: string) => write(towns.capulet, 'capulet.example', to, id)
const fromMontague = (to: string, id: string) => write(towns.montague, 'montague.example', to, id)
const reply = (host: People, from: string, to: string, id: string) =>
  host.context?.send(message({ from: `page@${from}`, to: `tybalt@${to}`, id, type: 'chat', body: id }))
const ended = () => events.filter(({ type }) => type === 'stream:ended')
const established = () => events.filter(({ type }) => type === 'stream:established').length

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 5))
}

describe('Federation.reconfigure', () => {
  it('serves one more domain, and takes it away again, while the streams of the other stand', async () => {
    void fromCapulet('paris.example', '1')
    await until(() => paris.bodies.length === 1)
    const laurence = new People()

    await become(options('paris.example', paris), options('laurence.example', laurence))
    void fromMontague('laurence.example', '2')
    await until(() => laurence.bodies.length === 1)
    void reply(laurence, 'laurence.example', 'montague.example', '3')
    await towns.montague.host.receives(({ id }) => id === '3')
    expect(ended()).toEqual([])

    const standing = established()
    await become(options('paris.example', paris))
    expect(laurence.stopped).toBe(true)
    expect(new Set(ended().map(event => 'local' in event && event.local))).toEqual(
      new Set(['laurence.example']),
    )
    void fromCapulet('paris.example', '4')
    await until(() => paris.bodies.includes('4'))
    expect(paris.bodies).toEqual(['1', '4'])
    expect(established()).toBe(standing)
    expect(events.filter(({ type }) => type === 'reconfigured')).toMatchObject([
      { added: ['laurence.example'], removed: [], moved: [] },
      { added: [], removed: ['laurence.example'], moved: [] },
    ])
    expect(verona.account()).toMatchObject({ inDoubt: 0, dropped: 0, ambiguous: 0, held: 0 })
  })

  it('tells who writes to a domain that is gone: host-gone on its stream, then an error for each', async () => {
    const laurence = new People()
    await become(options('paris.example', paris), options('laurence.example', laurence))
    void fromMontague('laurence.example', '1')
    await until(() => laurence.bodies.length === 1)
    await become(options('paris.example', paris))
    const told = await towns.montague.sees(
      event => event.type === 'stream:ended' && event.remote === 'laurence.example' && event.established,
    )
    expect(told).toMatchObject({ reason: 'peer.reported', detail: expect.stringContaining('host-gone') })
    void fromMontague('laurence.example', '2')
    const error = await towns.montague.host.receives(({ id, type }) => id === '2' && type === 'error')
    expect(Buffer.from(error.bytes).toString()).toContain('remote-server-not-found')
    await expect(
      verona.send(message({ from: 'page@laurence.example', to: 'a@montague.example' })),
    ).rejects.toThrow('not a domain of ours: laurence.example')
  })

  it('loses nothing of what is under way to a domain that goes', async () => {
    const laurence = new People()
    await become(options('paris.example', paris), options('laurence.example', laurence))
    const ids = Array.from({ length: 300 }, (_, index) => `n${index}`)
    let count = 0
    const writing = setInterval(() => {
      for (const id of ids.slice(count, count + 10)) void fromMontague('laurence.example', id)
      count += 10
    }, 5)
    await until(() => laurence.bodies.length > 50)
    await become(options('paris.example', paris))
    await until(() => count >= ids.length)
    clearInterval(writing)
    const told = () => towns.montague.host.received.filter(({ type }) => type === 'error').map(({ id }) => id)
    await until(() => laurence.bodies.length + told().length >= ids.length)
    expect([...laurence.bodies, ...told()]).toEqual(ids)
  })

  it('gives a domain another host, and another certificate, with a stream that ends and comes again', async () => {
    void fromCapulet('paris.example', '1')
    await until(() => paris.bodies.length === 1)
    const heir = new People()
    await become(options('paris.example', heir))
    expect(paris.stopped).toBe(true)
    void fromCapulet('paris.example', '2')
    await until(() => heir.bodies.length === 1)
    expect([paris.bodies, heir.bodies]).toEqual([['1'], ['2']])

    certificate = towns.authority.issue({ dns: ['paris.example'] })
    const before = ended().length
    await become(options('paris.example', heir))
    void reply(heir, 'paris.example', 'capulet.example', '3')
    await towns.capulet.host.receives(({ id }) => id === '3')
    expect(ended()).toHaveLength(before)
  })

  it('one host serves more of them, and fewer', async () => {
    await become(options('paris.example', paris, { also: ['laurence.example'] }))
    void fromMontague('laurence.example', '1')
    await until(() => paris.bodies.length === 1)
    expect([...(paris.context?.domains ?? [])]).toEqual([...NAMES])
    await become(options('paris.example', paris))
    expect([...(paris.context?.domains ?? [])]).toEqual(['paris.example'])
    expect(paris.stopped).toBe(false)
    expect(() => reply(paris, 'laurence.example', 'montague.example', '2')).toThrow(TypeError)
  })

  it('publishes and admits whom it serves, and nobody else', async () => {
    const look = async (name: string) => {
      const { ok } = await towns.capulet.federation
        .check(name, { local: 'capulet.example', signal: AbortSignal.timeout(5_000) })
        .then(({ stages }) => ({ ok: stages.find(stage => stage.name === 'discovery')?.ok }))
      return ok
    }
    expect(await look('laurence.example')).toBe(false)
    await become(options('paris.example', paris), options('laurence.example', embedded()))
    expect(await look('laurence.example')).toBe(true)
    await become(options('paris.example', paris))
    expect(await look('laurence.example')).toBe(false)
  })

  it('stays as it is where the new options cannot be', async () => {
    const failing = new People()
    failing.start = () => {
      throw new Error('the address is taken')
    }
    const well = new People()
    await expect(
      become(
        options('paris.example', paris),
        options('laurence.example', well),
        options('friar.example', failing),
      ),
    ).rejects.toThrow('the address is taken')
    expect(well.stopped).toBe(true)
    await expect(become(options('not a domain', paris))).rejects.toThrow('domains[0].name')
    const other = { ...common, domains: [options('paris.example', paris)], bidi: true, limits: {} }
    await expect(verona.reconfigure(other)).rejects.toThrow('not changed while it runs: bidi, limits')
    expect(events.filter(({ type }) => type === 'reconfigured')).toEqual([])
    void fromCapulet('paris.example', '1')
    await until(() => paris.bodies.length === 1)
    expect(ended()).toEqual([])
  })

  it('one change waits for the other, and none comes after the end', async () => {
    const laurence = new People()
    const changes = [
      become(options('paris.example', paris), options('laurence.example', laurence)),
      become(options('paris.example', paris)),
      become(options('paris.example', paris), options('laurence.example', new People())),
    ]
    await Promise.all(changes)
    expect(laurence.stopped).toBe(true)
    void fromMontague('laurence.example', '1')
    await towns.montague.sees(event => event.type === 'stream:established')
    await verona.close()
    await expect(become(options('paris.example', paris))).rejects.toThrow('closed')
    expect(domain('paris.example')).toBe('paris.example')
  })
})

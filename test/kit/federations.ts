import type { Event, Limits } from '../../src/base/index.ts'
import type { Delivery, Host, HostContext } from '../../src/federation/index.ts'
import { embedded } from '../../src/hosts/index.ts'
import {
  createFederation,
  type DomainOptions,
  type Federation,
  type FederationOptions,
} from '../../src/index.ts'
import type { Stanza } from '../../src/xmpp/index.ts'
import { type TestAuthority, type TestCertificate, testAuthority } from './authority.ts'
import { createRelay, type Relay } from './relay.ts'

// Whole federations on loopback: free ports, real TLS with certificates of an authority of our own, real wss, and
// host-meta that is really fetched, through `network.connect`.

/** People live here and remember what they get; everybody else is the embedded host's: ping, disco, version, echo@. */
class TownHost implements Host {
  readonly name = 'embedded'
  /** what people got, errors included, in order */
  readonly received: Stanza[] = []
  /** what a person answers; by default takes it */
  answer: (stanza: Stanza) => Delivery | Promise<Delivery> = () => TAKEN
  readonly #inside = embedded({ echo: true })
  readonly #waiting = new Set<() => void>()
  #context: HostContext | null = null

  start(context: HostContext): void | Promise<void> {
    this.#context = context
    return this.#inside.start(context)
  }

  send(stanza: Stanza): Promise<void> | undefined {
    if (this.#context === null) throw new TypeError('not started')
    return this.#context.send(stanza)
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    if (stanza.to.local === '' || stanza.to.local === 'echo') return this.#inside.deliver(stanza)
    this.received.push(stanza)
    for (const look of this.#waiting) look()
    return this.answer(stanza)
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#inside.stop(deadlineMs)
  }

  /** Resolves once people have got a stanza that `wanted` accepts, now or before. */
  receives(wanted: (stanza: Stanza) => boolean): Promise<Stanza> {
    return new Promise(resolve => {
      const look = () => {
        const found = this.received.find(wanted)
        if (found === undefined) return
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** Resolves once people have got so many. */
  async receivesCount(count: number): Promise<readonly Stanza[]> {
    await this.receives(() => this.received.length >= count)
    return this.received
  }
}

const TAKEN: Delivery = { taken: true }

export interface Town {
  readonly federation: Federation
  readonly host: TownHost
  readonly events: Event[]
  /** all that goes to this town's port */
  readonly relay: Relay
  /** Resolves once an event has come that `wanted` accepts, now or before. */
  sees(wanted: (event: Event) => boolean): Promise<Event>
  /** Close and come up again at the same address, with the same host class anew. */
  restart(): Promise<void>
}

export interface TownOptions {
  readonly name: string
  readonly also?: readonly string[]
  /** what the certificate is for; default: name and also */
  readonly certificateNames?: readonly string[]
  readonly certificate?: TestCertificate
  /** nobody can dial it: it has no url and listens nowhere */
  readonly unreachable?: boolean
  readonly limits?: Partial<Limits>
  readonly more?: Partial<FederationOptions>
  readonly domain?: Partial<DomainOptions>
}

export interface Verona {
  readonly capulet: Town
  readonly montague: Town
  readonly authority: TestAuthority
  close(): Promise<void>
}

/** capulet.example and montague.example, who know each other only by their names. */
export async function twoFederations(
  options: {
    readonly capulet?: Partial<TownOptions>
    readonly montague?: Partial<TownOptions>
    readonly limits?: Partial<Limits>
    /** 'host:port' -> 'address:port', beside the two towns */
    readonly connect?: Readonly<Record<string, string>>
    readonly authority?: TestAuthority
  } = {},
): Promise<Verona> {
  const { limits = {}, connect = {}, authority = testAuthority() } = options
  const country = await federations(
    [
      { name: 'capulet.example', ...options.capulet },
      { name: 'montague.example', ...options.montague },
    ],
    { limits, connect, authority },
  )
  const [capulet, montague] = country.towns
  if (capulet === undefined || montague === undefined) throw new Error('two towns were asked for')
  return { capulet, montague, authority: country.authority, close: country.close }
}

export interface Country {
  readonly towns: readonly Town[]
  readonly authority: TestAuthority
  close(): Promise<void>
}

/** Any number of towns, all known to each other by name. */
export async function federations(
  wanted: readonly TownOptions[],
  shared: {
    readonly limits?: Partial<Limits>
    readonly connect?: Readonly<Record<string, string>>
    readonly authority?: TestAuthority
  } = {},
): Promise<Country> {
  const { authority = testAuthority() } = shared
  const connect: Record<string, string> = { ...shared.connect }
  const relays: Relay[] = []
  for (const { name, also = [] } of wanted) {
    const relay = await createRelay()
    relays.push(relay)
    for (const each of [name, ...also]) connect[`${each}:443`] ??= relay.address
  }
  const towns: Town[] = []
  for (const [index, options] of wanted.entries()) {
    const relay = relays[index]
    if (relay === undefined) throw new Error('a relay for each')
    const limits = { ...shared.limits, ...options.limits }
    towns.push(await town(authority, relay, connect, { ...options, limits }))
  }
  return {
    towns,
    authority,
    async close() {
      await Promise.all(towns.map(({ federation }) => federation.close({ deadlineMs: 2_000 })))
      await Promise.all(relays.map(relay => relay.close()))
    },
  }
}

async function town(
  authority: TestAuthority,
  relay: Relay,
  connect: Readonly<Record<string, string>>,
  options: TownOptions,
): Promise<Town> {
  const { name, also = [], limits = {}, unreachable = false } = options
  const { certificateNames = [name, ...also] } = options
  const certificate = options.certificate ?? authority.issue({ dns: certificateNames })
  const events: Event[] = []
  const waiting = new Set<() => void>()
  const start = async (host: TownHost) => {
    const federation = await createFederation({
      domains: [
        {
          name,
          also,
          ...(unreachable ? {} : { url: `wss://${name}/s2s`, ips: ['127.0.0.1'] }),
          certificate: certificate.certificatePem,
          key: certificate.keyPem,
          host,
          ...options.domain,
        },
      ],
      listen: unreachable ? [] : [{ address: '127.0.0.1:0' }],
      trust: { ca: [authority.caPem] },
      network: { allowPrivate: ['127.0.0.0/8'], connect },
      // Everybody here comes from one address.
      limits: { newBurstPerAddress: 10_000, newPerSecondPerAddress: 10_000, ...limits },
      onEvent: event => {
        events.push(event)
        for (const look of waiting) look()
      },
      ...options.more,
    })
    relay.target = federation.listening[0]?.port ?? null
    return { host, federation }
  }
  let running = await start(new TownHost())
  return {
    get federation() {
      return running.federation
    },
    get host() {
      return running.host
    },
    events,
    relay,
    sees(wanted) {
      return new Promise(resolve => {
        const look = () => {
          const found = events.find(wanted)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      })
    },
    async restart() {
      relay.target = null
      await running.federation.close()
      running = await start(new TownHost())
    },
  }
}

import type { Limits } from '../../src/base/index.ts'
import { message } from '../../src/xmpp/index.ts'
import { type TestAuthority, type TestCertificate, testAuthority } from './authority.ts'
import { type Town, type TownOptions, twoFederations } from './federations.ts'
import { ScriptedPeer } from './scripted-peer.ts'
import { dialback, type ScriptedStream } from './scripted-stream.ts'

// Whoever shows keys over wss and means harm: to us, or to a third party whom we are made to call, or to capulet.example,
// in whose name he comes. Capulet and Montague go on talking meanwhile.

export const MALLORY = 'mallory.example'
export const TO = 'montague.example'
export const VICTIM = 'capulet.example'

export interface Victims {
  readonly montague: Town
  readonly capulet: Town
  readonly authority: TestAuthority
  /** of Mallory */
  readonly peer: ScriptedPeer
  /** A stream of his to Montague, open, without a certificate. */
  stream(from?: string): Promise<Opened>
  /** The same, where keys have been shown, each of a domain. */
  shows(...domains: readonly string[]): Promise<ScriptedStream>
  /** Capulet's message arrives at Montague now; nobody else's has ever. */
  unharmed(): Promise<void>
  close(): Promise<void>
}

export interface Opened {
  readonly stream: ScriptedStream
  readonly id: string
}

export const domainsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => `d${index}.${MALLORY}`)

export async function victims(
  options: {
    /** how many domains there are below Mallory's */
    readonly domains?: number
    readonly limits?: Partial<Limits>
    /** of his server */
    readonly certificate?: (authority: TestAuthority) => TestCertificate
    readonly capulet?: Partial<TownOptions>
  } = {},
): Promise<Victims> {
  const { domains = 0, limits = {}, capulet: town = {} } = options
  const authority = testAuthority()
  const certificate = options.certificate?.(authority) ?? authority.issue({ dns: [MALLORY, `*.${MALLORY}`] })
  const peer = await ScriptedPeer.listen({ certificate })
  const connect: Record<string, string> = {}
  for (const name of [MALLORY, ...domainsOf(domains)])
    for (const port of [443, peer.port]) connect[`${name}:${port}`] = `127.0.0.1:${peer.port}`
  const verona = await twoFederations({
    authority,
    connect,
    limits: { unauthenticatedPerAddress: 1_000, ...limits },
    capulet: town,
  })
  const { montague, capulet } = verona
  let canaries = 0
  const stream = async (from = MALLORY) => {
    const stream = await peer.dial(montague.federation.listening[0]?.port ?? 0)
    return { stream, id: await stream.opens(from, TO) }
  }
  return {
    montague,
    capulet,
    authority,
    peer,
    stream,
    async shows(...domains) {
      const opened = await stream(domains[0])
      return opened.stream.say(...domains.map(from => dialback('result', { from, to: TO, key: 'a key' })))
    },
    async unharmed() {
      const id = `canary-${++canaries}`
      await capulet.host.send(
        message({ from: `juliet@${VICTIM}`, to: `romeo@${TO}`, id, body: 'still here' }),
      )
      await montague.host.receives(stanza => stanza.id === id)
      const strangers = montague.host.received.filter(({ id }) => !id.startsWith('canary-'))
      if (strangers.length > 0) throw new Error(`taken: ${strangers.map(({ bytes }) => bytes)}`)
    },
    async close() {
      await peer.close()
      await verona.close()
    },
  }
}

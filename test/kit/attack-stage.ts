import { readFileSync } from 'node:fs'
import type { Command } from './command.ts'
import { ScriptedPeer, type Taken } from './scripted-peer.ts'
import { attributeIn, dialback, type ScriptedStream } from './scripted-stream.ts'
import { VeronaFiles } from './verona-files.ts'

// A gateway that runs as an operator has it, and a peer by hand to whom all of mallory.example belongs. Each attack takes
// a domain of its own there, so that none hears of another.

export const TO = 'montague.example'
export const ROOMS = 'rooms.montague.example'

export interface EstablishedLine {
  readonly role: string
  readonly local: string
  readonly remote: string
  readonly authentication: string
}

export class AttackStage {
  readonly files: VeronaFiles
  readonly peer: ScriptedPeer
  #gateway: Command
  readonly #domains: string[]

  private constructor(files: VeronaFiles, peer: ScriptedPeer, gateway: Command, domains: string[]) {
    this.files = files
    this.peer = peer
    this.#gateway = gateway
    this.#domains = domains
  }

  /** @param count how many domains there can be @param top the first lines of the configuration */
  static async create(count: number, top = ''): Promise<AttackStage> {
    const files = await VeronaFiles.create()
    const domains = Array.from({ length: count }, (_, index) => `d${index}.mallory.example`)
    const certificate = files.authority.issue({ dns: ['*.mallory.example'] })
    // A certificate is shown where EXTERNAL is offered, but not taken.
    const peer = await ScriptedPeer.listen({ certificate, offersExternal: from => from === ROOMS })
    const endpoints = domains.map(
      domain => `[[endpoint]]\ndomain = "${domain}"\nurl = "wss://127.0.0.1:${peer.port}/s2s"`,
    )
    files.configure('montague', { more: [...endpoints, LIMITS].join('\n') })
    files.write('montague.toml', `${top}\n${readFileSync(files.path('montague.toml'), 'utf8')}`)
    return new AttackStage(files, peer, await files.serve('montague'), domains)
  }

  get gateway(): Command {
    return this.#gateway
  }

  /** The gateway ends, and starts anew where it was. */
  async restart(): Promise<void> {
    this.#gateway.signal('SIGTERM')
    await this.#gateway.ended
    this.#gateway = await this.files.serve('montague')
  }

  get port(): number {
    return this.files.ports.montague
  }

  /** one that nobody has used */
  newDomain(): string {
    const domain = this.#domains.pop()
    if (domain === undefined) throw new Error('no domain is left')
    return domain
  }

  /** A stream to the gateway, open up to its features. */
  async stream(from: string, to = TO): Promise<{ readonly stream: ScriptedStream; readonly id: string }> {
    const stream = await this.peer.dial(this.port, to)
    return { stream, id: await stream.opens(from, to) }
  }

  /** The same, where a key has been shown; and the stream on which the gateway asks about it. */
  async shown(from: string, to = TO): Promise<Shown> {
    const { stream, id } = await this.stream(from, to)
    const key = `a key for ${id}`
    stream.say(dialback('result', { from, to, key }))
    const asking = await this.peer.takes('asks', ({ word }) => attributeIn(word, 'id') === id)
    return { stream, id, key, asking }
  }

  /** The gateway owes an answer to `to`'s stanza, and shows its key to send it. */
  async owed(domain: string, local = TO): Promise<Taken> {
    await this.owe(domain, local)
    return this.peer.takes('shows', ({ from, to }) => from === local && to === domain)
  }

  /** Somebody at `domain`, proven by certificate, has asked `local` for something. */
  async owe(domain: string, local = TO): Promise<void> {
    const certificate = this.files.authority.issue({ dns: [domain] })
    const stream = await this.peer.dial(this.port, local, certificate)
    await stream.authenticates(domain, local)
    stream.say(ping(domain, local))
    await stream.isRead()
    stream.leave()
  }

  /** What the gateway says of the streams that stand or stood. */
  established(): readonly EstablishedLine[] {
    return this.gateway.log().flatMap(({ event, role, local, remote, authentication }) =>
      event === 'stream:established'
        ? [
            {
              role: String(role),
              local: String(local),
              remote: String(remote),
              authentication: String(authentication),
            },
          ]
        : [],
    )
  }

  async close(): Promise<void> {
    await this.peer.close()
    await this.files.close()
  }
}

export interface Shown {
  readonly stream: ScriptedStream
  readonly id: string
  readonly key: string
  readonly asking: Taken
}

/** Everything here comes from one address. */
const LIMITS = `[limits]
new_per_second_per_address = 10000
new_burst_per_address = 10000
unauthenticated_per_address = 1000
log_lines_per_second = 100000`

function ping(from: string, to: string): string {
  return `<iq xmlns='jabber:server' type='get' id='ping' from='m@${from}' to='${to}'><ping xmlns='urn:xmpp:ping'/></iq>`
}

/**
 * Whether the stream takes a stanza of the pair: it is said, and the stream stands on. Who is not believed hears a
 * stream error, before or now.
 */
export async function takesStanza(stream: ScriptedStream, from: string, to: string): Promise<boolean> {
  stream.say(ping(from, to))
  await stream.isRead()
  return !stream.isEnded && stream.error === undefined
}

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { passwordOf, type Server } from './server.ts'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
/** slixmpp, with Debian's Python, whose package it is. */
const SLIXMPP: Program = { command: ['/usr/bin/python3', path('client.py')] }
/** how long a client may take for anything, unless said otherwise */
const DEADLINE_MS = 15_000

/** An error as the user sees it. */
export interface Shown {
  readonly type: string
  readonly condition: string
  readonly text: string
  readonly from: string
}

interface Received {
  readonly from: string
  readonly to: string
  readonly id: string
  readonly type: string
  readonly error?: Shown
}

export interface Message extends Received {
  readonly body: string
  /** came from a store (XEP-0203) */
  readonly delayed: boolean
}

export interface Presence extends Received {
  readonly show: string
  readonly status: string
  /** of a room (XEP-0045): 110 is one's own presence */
  readonly codes: readonly number[]
}

export interface Burst {
  readonly to: string
  readonly count: number
  /** what tells these messages from others: bodies are 'LABEL 1', 'LABEL 2', … and ids 'LABEL-1', … */
  readonly label: string
  /** default: as fast as it goes */
  readonly perSecond?: number
  /** default 1 */
  readonly first?: number
}

/** What became of a burst at the other end. */
export interface Collected {
  /** in the order in which they came */
  readonly numbers: readonly number[]
  readonly missing: readonly number[]
  readonly duplicates: readonly number[]
  readonly isInOrder: boolean
}

/** An iq was answered with an error. */
export class Refused extends Error {
  readonly shown: Shown

  constructor(command: string, shown: Shown) {
    super(`${command}: ${shown.type} ${shown.condition} from ${shown.from}: ${shown.text}`)
    this.shown = shown
  }
}

/** Fields that must be equal, or a question. */
export type Match<T> = Partial<T> | ((received: T) => boolean)

export interface Site {
  readonly origin: string
  readonly ca: string
}

interface Program {
  readonly command: readonly [program: string, ...args: string[]]
  readonly environment?: Readonly<Record<string, string>>
}

/**
 * A user at a real client, or a component: slixmpp in a process of its own, or strophe.js, which has less. Whoever makes
 * one ends it with `end`.
 */
export class Client {
  /** full for a user, the domain for a component; '' before the first login */
  jid = ''
  /** all that came, in order */
  readonly messages: Message[] = []
  readonly presences: Presence[] = []
  /** how often a connection ended, whoever ended it */
  disconnects = 0
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #asked = new Map<number, (answer: Answer) => void>()
  readonly #waiting = new Set<() => void>()
  /** of each burst: number to how often it came */
  readonly #numbers = new Map<string, Map<number, number>>()
  #next = 1
  #words = ''
  #how: readonly [command: string, values: Values] | undefined

  private constructor({ command: [program, ...args], environment = {} }: Program) {
    const env = { ...process.env, ...environment }
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', line => this.#hear(line))
    child.stderr?.setEncoding('utf8').on('data', text => {
      this.#words = `${this.#words}${text}`.slice(-4000)
    })
    // Writing to one that has just ended; it shows below.
    child.stdin?.on('error', () => {})
    this.#ended = new Promise(resolve => {
      const ended = (why: string) => {
        for (const answer of this.#asked.values())
          answer({ failed: `the client ended: ${why}\n${this.#words}` })
        resolve()
      }
      child.once('error', error => ended(String(error)))
      child.once('close', (code, signal) => ended(String(signal ?? code)))
    })
  }

  /** A user of `server` at a client, online and with its roster. */
  static login(server: Server, user: string, resource = 'client'): Promise<Client> {
    const account = { jid: `${user}@${server.domain}/${resource}`, password: passwordOf(user) }
    return Client.#made(SLIXMPP, 'login', { ...account, host: '127.0.0.1', port: server.ports.c2s })
  }

  /** A user at a client that insists on TLS, with a certificate of an authority that it is told. */
  static loginOverTls(domain: string, user: string, at: { port: number; ca: string }): Promise<Client> {
    const account = { jid: `${user}@${domain}/client`, password: passwordOf(user) }
    return Client.#made(SLIXMPP, 'login', { ...account, host: '127.0.0.1', ...at })
  }

  /**
   * A user at a client in a browser: strophe.js, over WebSocket, found by the host-meta of the domain.
   * @param origin of the domain's web site, whatever its host on this machine
   * @param ca file with the authority to trust
   */
  static browse(domain: string, user: string, { origin, ca }: Site): Promise<Client> {
    const program: Program = {
      command: [process.execPath, path('web-client.js')],
      environment: { NODE_EXTRA_CA_CERTS: ca },
    }
    const account = { jid: `${user}@${domain}/browser`, password: passwordOf(user) }
    return Client.#made(program, 'login', { ...account, origin })
  }

  /** A component (XEP-0114) that somebody listens for on a loopback port. */
  static component(domain: string, secret: string, port: number): Promise<Client> {
    return Client.#made(SLIXMPP, 'component', { jid: domain, secret, host: '127.0.0.1', port })
  }

  static async #made(program: Program, command: string, values: Values): Promise<Client> {
    const client = new Client(program)
    client.#how = [command, values]
    try {
      await client.reconnect()
      return client
    } catch (error) {
      await client.end()
      throw error
    }
  }

  get bare(): string {
    return this.jid.replace(/\/.*/, '')
  }

  /** Log in again, as at first. */
  async reconnect(): Promise<void> {
    if (this.#how === undefined) throw new Error('never logged in')
    this.jid = await this.#ask<string>(...this.#how)
  }

  /** Log out; the process stays, for `reconnect`. */
  logout(): Promise<void> {
    return this.#ask('logout')
  }

  /** Log out and end the process. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await this.logout().catch(() => {})
      this.#child.stdin?.end()
      // It has nothing left to do.
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS)
      await this.#ended
      clearTimeout(timer)
    }
  }

  /** Resolves with its id once it is on its way. */
  send(
    to: string,
    body: string,
    more: { type?: string; id?: string; sender?: string } = {},
  ): Promise<string> {
    return this.#ask('message', { to, body, ...more })
  }

  /** Numbered messages, in order; resolves when all are on their way. */
  burst(burst: Burst): Promise<void> {
    const { count, perSecond } = burst
    const spreadMs = perSecond === undefined ? 0 : (count / perSecond) * 1000
    return this.#ask('burst', { ...burst }, DEADLINE_MS + spreadMs)
  }

  presence(
    more: { to?: string; type?: string; show?: string; status?: string; sender?: string } = {},
  ): Promise<void> {
    return this.#ask('presence', more)
  }

  /** bytes for the stream as they are */
  raw(xml: string): Promise<void> {
    return this.#ask('raw', { xml })
  }

  /** bare JID to 'none', 'to', 'from' or 'both' */
  roster(): Promise<Record<string, string>> {
    return this.#ask('roster')
  }

  /** Enter a room and wait until we are in it. */
  async join(room: string, nick: string): Promise<Presence> {
    await this.#ask('join', { room, nick })
    const presence = await this.sees(
      ({ from, codes, type }) =>
        (from === `${room}/${nick}` && codes.includes(110)) || (from.startsWith(room) && type === 'error'),
    )
    if (presence.error !== undefined) throw new Refused('join', presence.error)
    return presence
  }

  /** Accept the default configuration of a room that our `join` made. */
  openRoom(room: string): Promise<void> {
    return this.#ask('open_room', { room })
  }

  /** identities as ['server', 'im'] */
  discoInfo(jid: string, sender?: string): Promise<{ identities: [string, string][]; features: string[] }> {
    return this.#ask('disco_info', { jid, ...(sender === undefined ? {} : { sender }) })
  }

  discoItems(jid: string): Promise<string[]> {
    return this.#ask('disco_items', { jid })
  }

  /** XEP-0199; resolves with the time there and back, in milliseconds. */
  ping(jid: string, sender?: string): Promise<number> {
    return this.#ask('ping', { jid, ...(sender === undefined ? {} : { sender }) })
  }

  /** into one's own vCard (XEP-0054) */
  publishAvatar(type: string, data: Uint8Array): Promise<void> {
    return this.#ask('publish_avatar', { type, data: Buffer.from(data).toString('base64') })
  }

  async avatar(jid: string): Promise<{ type: string; data: Uint8Array }> {
    const { type, data } = await this.#ask<{ type: string; data: string }>('avatar', { jid })
    return { type, data: Buffer.from(data, 'base64') }
  }

  /** Of strophe.js: what the host-meta of a site has, relation to address. */
  links(origin: string): Promise<Record<string, string>> {
    return this.#ask('links', { origin })
  }

  /** Of strophe.js: one request of BOSH. */
  bosh(url: string, body: string): Promise<{ status: number; text: string }> {
    return this.#ask('bosh', { url, body })
  }

  /** Resolves with the first message, from the beginning, that matches. */
  receives(match: Match<Message>, deadlineMs = DEADLINE_MS): Promise<Message> {
    return this.#wait(
      () => this.messages.find(matching(match)),
      deadlineMs,
      () => this.messages.slice(-10),
    )
  }

  /** Resolves with the first presence, from the beginning, that matches. */
  sees(match: Match<Presence>, deadlineMs = DEADLINE_MS): Promise<Presence> {
    return this.#wait(
      () => this.presences.find(matching(match)),
      deadlineMs,
      () => this.presences.slice(-10),
    )
  }

  /** Waits until all of the burst are there, or the deadline; then says what came. More may come: `collected` later. */
  async collect(label: string, count: number, deadlineMs = DEADLINE_MS): Promise<Collected> {
    const complete = () => ((this.#numbers.get(label)?.size ?? 0) >= count ? true : undefined)
    await this.#wait(complete, deadlineMs, () => []).catch(() => {})
    return this.collected(label, count)
  }

  /** What has come of a burst so far. */
  collected(label: string, count: number): Collected {
    const times = this.#numbers.get(label) ?? new Map<number, number>()
    const numbers = this.messages.flatMap(message => numberOf(message, label) ?? [])
    return {
      numbers,
      missing: Array.from({ length: count }, (_, index) => index + 1).filter(number => !times.has(number)),
      duplicates: [...times].flatMap(([number, often]) => (often > 1 ? [number] : [])),
      isInOrder: numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0)),
    }
  }

  /** Resolves when the connection, or one since `disconnects` was this many, has ended. */
  async disconnected(since = 0, deadlineMs = DEADLINE_MS): Promise<void> {
    await this.#wait(
      () => (this.disconnects > since ? true : undefined),
      deadlineMs,
      () => [],
    )
  }

  #ask<T>(command: string, values: Values = {}, deadlineMs = DEADLINE_MS): Promise<T> {
    const number = this.#next++
    return new Promise((resolve, reject) => {
      const answered = (answer: Answer) => {
        clearTimeout(timer)
        this.#asked.delete(number)
        if (answer.failed !== undefined) reject(new Error(`${this.jid}: ${answer.failed}`))
        else if (answer.error !== undefined) reject(new Refused(command, answer.error))
        else resolve(answer.result as T)
      }
      const timer = setTimeout(
        () => answered({ failed: `${command}: nothing within ${deadlineMs} ms\n${this.#words}` }),
        deadlineMs,
      )
      this.#asked.set(number, answered)
      this.#child.stdin?.write(`${JSON.stringify({ number, command, values })}\n`)
    })
  }

  #wait<T>(look: () => T | undefined, deadlineMs: number, last: () => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = () => {
        const found = look()
        if (found === undefined) return
        stop()
        resolve(found)
      }
      const timer = setTimeout(() => {
        stop()
        reject(
          new Error(
            `${this.jid}: not within ${deadlineMs} ms; last: ${JSON.stringify(last())}\n${this.#words}`,
          ),
        )
      }, deadlineMs)
      const stop = () => {
        clearTimeout(timer)
        this.#waiting.delete(again)
      }
      this.#waiting.add(again)
      again()
    })
  }

  #hear(line: string): void {
    const said = JSON.parse(line)
    if ('answer' in said) this.#asked.get(said.answer)?.(said)
    if (said.event === 'message') this.#take(said)
    if (said.event === 'presence') this.presences.push(said)
    if (said.event === 'disconnected') this.disconnects++
    for (const look of this.#waiting) look()
  }

  #take(message: Message): void {
    this.messages.push(message)
    const [label] = /^.*(?= \d+$)/s.exec(message.body) ?? []
    const number = label === undefined ? undefined : numberOf(message, label)
    if (label === undefined || number === undefined) return
    const times = this.#numbers.get(label) ?? new Map<number, number>()
    this.#numbers.set(label, times.set(number, (times.get(number) ?? 0) + 1))
  }
}

/** Which one of a burst this is. */
function numberOf({ body, type }: Message, label: string): number | undefined {
  const isOne = type !== 'error' && body.startsWith(`${label} `)
  const rest = body.slice(label.length + 1)
  return isOne && /^\d+$/.test(rest) ? Number(rest) : undefined
}

type Values = Readonly<Record<string, unknown>>

interface Answer {
  readonly result?: unknown
  readonly error?: Shown
  readonly failed?: string
}

function matching<T extends object>(match: Match<T>): (received: T) => boolean {
  if (typeof match === 'function') return match
  const fields = Object.entries(match)
  return received => fields.every(([name, value]) => Reflect.get(received, name) === value)
}

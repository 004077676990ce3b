import { setTimeout as sleep } from 'node:timers/promises'
import { TestComponent } from '../../kit/component.ts'
import type { Gateway } from './gateway.ts'

/** unless said otherwise */
const PER_SECOND = 200
const TICK_MS = 10
const RETRY_MS = 50
/** what our errors say of a stanza whose fate is not known */
const IN_DOUBT = 'it may or may not have been delivered'

export interface Arrival {
  readonly number: number
  readonly atMs: number
  /** with a delay stamp (XEP-0203) */
  readonly isStamped: boolean
}

/** The components behind a gateway: say numbered messages to a counterpart in turn, and write down what comes. */
export class Party {
  readonly gateway: Gateway
  readonly #names: readonly string[]
  readonly #to: string
  /** each name's, where it is connected */
  readonly #components = new Map<string, TestComponent>()
  /** messages written in a second */
  perSecond = PER_SECOND
  /** when number n+1 was written */
  readonly sentAtMs: number[] = []
  readonly arrivals: Arrival[] = []
  /** number to the texts of the errors that came back */
  readonly errors = new Map<number, string[]>()
  #run = ''
  #isClosed = false

  /** @param names those of the gateway that speak */
  constructor(gateway: Gateway, peer: string, names: readonly string[] = gateway.names) {
    this.gateway = gateway
    this.#names = names
    this.#to = `someone@${peer}`
    for (const name of names) void this.#stay(name)
  }

  get isConnected(): boolean {
    return this.#components.size === this.#names.length
  }

  /** Count from one again. What still comes of an earlier run is not counted. */
  begin(run: string): void {
    this.#run = run
    this.sentAtMs.length = 0
    this.arrivals.length = 0
    this.errors.clear()
  }

  /** Write at a steady rate until the signal is given. */
  async speak(signal: AbortSignal): Promise<void> {
    const startMs = performance.now()
    while (!signal.aborted) {
      const due = Math.floor(((performance.now() - startMs) * this.perSecond) / 1_000)
      while (this.sentAtMs.length < due) this.#say()
      await sleep(TICK_MS)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const { socket } of this.#components.values()) socket.destroy()
  }

  #say(): void {
    const number = this.sentAtMs.length + 1
    this.sentAtMs.push(performance.now())
    const id = `${this.#run}-${number}`
    const name = this.#names[number % this.#names.length] ?? ''
    const from = `someone@${name}`
    this.#components
      .get(name)
      ?.say(`<message from='${from}' to='${this.#to}' id='${id}' type='chat'><body>${id}</body></message>`)
  }

  /** Connected, and connected again after each loss. */
  async #stay(name: string): Promise<void> {
    while (!this.#isClosed) {
      const component = new TestComponent({ address: '127.0.0.1', port: this.gateway.componentPort })
      component.onStanza = stanza => this.#hear(Buffer.from(stanza.bytes).toString())
      try {
        await component.enter(name, this.gateway.secret)
        this.#components.set(name, component)
        await component.rest()
      } catch {
        // The gateway is away.
      }
      this.#components.delete(name)
      component.socket.destroy()
      await sleep(RETRY_MS)
    }
  }

  #hear(text: string): void {
    const [, run, digits] = /\bid=['"]([a-z0-9]+)-(\d+)['"]/.exec(text) ?? []
    if (run !== this.#run) return
    const number = Number(digits)
    if (/^<message[^>]* type=['"]error['"]/.test(text)) {
      this.errors.set(number, [...(this.errors.get(number) ?? []), text])
    } else {
      this.arrivals.push({ number, atMs: performance.now(), isStamped: text.includes('urn:xmpp:delay') })
    }
  }
}

export const isInDoubt = (text: string) => text.includes(IN_DOUBT)

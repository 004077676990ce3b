import type { Delivery, Host, HostContext } from '../federation/index.ts'
import type { Stanza } from '../xmpp/index.ts'

/**
 * A host that counts at the very ends what the demo sends and receives, and lets its people be waited for. Stanzas to
 * people end here; all others are answered by the host inside, whose answers are counted too.
 */
export class DemoHost implements Host {
  readonly name = 'embedded'
  sent = 0
  delivered = 0
  bounced = 0
  readonly #inside: Host
  readonly #people: ReadonlySet<string>
  readonly #awaited = new Map<string, (stanza: Stanza) => void>()
  #context: HostContext | null = null

  /** @param people localparts whose stanzas end here */
  constructor(inside: Host, people: ReadonlySet<string>) {
    this.#inside = inside
    this.#people = people
  }

  start(context: HostContext): void | Promise<void> {
    const counting: HostContext = {
      ...context,
      send: stanza => {
        this.sent++
        return context.send(stanza)
      },
    }
    this.#context = counting
    return this.#inside.start(counting)
  }

  async send(stanza: Stanza): Promise<void> {
    if (this.#context === null) throw new TypeError('the host has not been started')
    await this.#context.send(stanza)
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    if (stanza.type === 'error') this.bounced++
    else this.delivered++
    this.#awaited.get(stanza.id)?.(stanza)
    return this.#people.has(stanza.to.local) ? { taken: true } : this.#inside.deliver(stanza)
  }

  /** The stanza with this id, once it has come. Rejects with the reason of `signal`. */
  receives(id: string, signal: AbortSignal): Promise<Stanza> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#awaited.delete(id)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#awaited.set(id, stanza => {
        signal.removeEventListener('abort', onAbort)
        this.#awaited.delete(id)
        resolve(stanza)
      })
      if (signal.aborted) onAbort()
    })
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#inside.stop(deadlineMs)
  }
}

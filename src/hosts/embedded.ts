import type { Delivery, Host, HostContext } from '../federation/index.ts'
import type { Element } from '../xml/index.ts'
import { isRequest, resultOf, type Stanza, type StanzaError } from '../xmpp/index.ts'
import { ECHO_ACCOUNT, Echo } from './echo.ts'
import { answerQuery, BOT, type Identity, ISTHMUS, type Profile, SERVER, type Software } from './queries.ts'
import { bodyOf, type Reply, replyTo } from './reply.ts'
import { Requests } from './requests.ts'

/** What a domain in this process does. Everything is optional: without options it answers queries and refuses the rest. */
export interface EmbeddedOptions {
  /** XEP-0030 identity of the domain; by default server/im */
  readonly identity?: Identity
  /** XEP-0030 features beyond those that the host answers itself and those of `onIq` */
  readonly features?: readonly string[]
  /** XEP-0092 answer; without `os` none is told */
  readonly software?: Software
  /** echo messages to echo@domain; by default not */
  readonly echo?: boolean
  /** Which localparts exist here besides the echo. By default all where there is an `onMessage`, else none. */
  readonly accounts?: (localpart: string) => boolean
  /** Every message but errors. An error returned goes to the sender; what else the message deserves goes by `reply`. */
  readonly onMessage?: (message: Stanza, tools: MessageTools) => Outcome | Promise<Outcome>
  /** Requests by what they carry. Those of the host itself (ping, disco, version) may be replaced. */
  readonly onIq?: readonly IqHandler[]
  /** Every presence but errors. */
  readonly onPresence?: (presence: Stanza) => void | Promise<void>
}

export interface MessageTools {
  /** the first body's text; '' where there is none, as in chat states and receipts */
  readonly body: string
  /** Answer in the same conversation: type and thread stay. Resolves when there is room for the next stanza. */
  readonly reply: (reply: string | Reply) => Promise<void>
}

// A handler that throws or rejects is a defect: the sender is told internal-server-error, the observer what was thrown.
// Until a handler's promise settles, its stanza counts as held and the stream that it came on is slowed.
type Outcome = StanzaError | Nothing
type Answer = Element | StanzaError | Nothing
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may just end, or return what reply returned
type Nothing = undefined | void

export interface IqHandler {
  readonly type: 'get' | 'set'
  /** of the one child of the iq */
  readonly name: string
  readonly namespace: string
  /** @returns the result's payload, nothing for an empty result, or an error */
  readonly handle: (request: Stanza, payload: Element) => Answer | Promise<Answer>
}

export interface EmbeddedHost extends Host {
  /** As HostContext.send. */
  send(stanza: Stanza): Promise<void> | undefined
  /**
   * Send an iq get or set and wait for its answer: the result, or an error, ours after `timeoutMs` or where we stop.
   * Rejects with the reason of `signal`; with a TypeError before start, where `from` is not ours, and where the same
   * request is waiting already.
   */
  request(request: Stanza, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<Stanza>
}

/** A host in this process. */
export function embedded(options: EmbeddedOptions = {}): EmbeddedHost {
  return new Embedded(options)
}

const TAKEN: Delivery = Object.freeze({ taken: true })
const UNAVAILABLE: Delivery = Object.freeze({ taken: false, condition: 'service-unavailable' })
const BAD_REQUEST: Delivery = Object.freeze({ taken: false, condition: 'bad-request' })

class Embedded implements EmbeddedHost {
  readonly name = 'embedded'
  readonly #options: EmbeddedOptions
  readonly #handlers: ReadonlyMap<string, IqHandler>
  readonly #echo: Echo | null
  readonly #requests = new Requests()
  /** what stop waits for */
  readonly #working = new Set<Promise<Delivery>>()
  #context: HostContext | null = null
  #stopped = false

  constructor(options: EmbeddedOptions) {
    this.#options = options
    this.#echo = options.echo === true ? new Echo() : null
    this.#handlers = new Map(
      options.onIq?.map(handler => [queryKey(handler.type, handler.name, handler.namespace), handler]),
    )
  }

  start(context: HostContext): void {
    if (this.#context !== null) throw new TypeError('an embedded host is started once')
    this.#context = context
  }

  send(stanza: Stanza): Promise<void> | undefined {
    return this.#running().send(stanza)
  }

  async request(
    request: Stanza,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<Stanza> {
    const context = this.#running()
    const { signal, timeoutMs = context.limits.hostRequestMs } = options
    return this.#requests.ask(request, context, timeoutMs, signal)
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    if (this.#stopped || this.#context === null) return UNAVAILABLE
    const delivery = this.#deliver(stanza, this.#context)
    if (!(delivery instanceof Promise)) return delivery
    const work = delivery.finally(() => this.#working.delete(work))
    this.#working.add(work)
    return work
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#requests.end()
    const context = this.#context
    if (context === null || this.#working.size === 0) return
    await new Promise<void>(resolve => {
      const timer = context.clock.setTimer(deadlineMs, resolve)
      void Promise.allSettled(this.#working).then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #deliver(stanza: Stanza, context: HostContext): Delivery | Promise<Delivery> {
    if (stanza.kind === 'iq' && !isRequest(stanza)) {
      // An answer that nobody waits for is ignored (RFC 6120 §8.2.3).
      this.#requests.answered(stanza)
      return TAKEN
    }
    if (stanza.type === 'error') return TAKEN // SZ-11: an error ends here
    switch (stanza.kind) {
      case 'iq':
        return this.#exists(stanza.to.local) ? this.#answer(stanza, context) : UNAVAILABLE // SZ-23
      case 'message':
        return this.#message(stanza, context)
      case 'presence':
        return this.#presence(stanza)
    }
  }

  #exists(localpart: string): boolean {
    const { accounts, onMessage } = this.#options
    if (localpart === '' || this.#isEcho(localpart)) return true
    return accounts === undefined ? onMessage !== undefined : accounts(localpart)
  }

  #isEcho(localpart: string): boolean {
    return this.#echo !== null && localpart === ECHO_ACCOUNT
  }

  #message(message: Stanza, context: HostContext): Delivery | Promise<Delivery> {
    const { to } = message
    if (this.#echo !== null && to.local === ECHO_ACCOUNT) {
      const reply = this.#echo.answer(message, context.limits)
      return reply === null ? TAKEN : sent(context, reply)
    }
    const { onMessage } = this.#options
    // SZ-23: the same for an account that does not exist, bare or full, and for the domain that nobody reads for.
    if (onMessage === undefined || !this.#exists(to.local)) return UNAVAILABLE
    return then(onMessage(message, new Tools(message, context)), refusal)
  }

  #presence(presence: Stanza): Delivery | Promise<Delivery> {
    const { onPresence } = this.#options
    if (onPresence === undefined || !this.#exists(presence.to.local)) return TAKEN // SZ-23: ignored
    return then(onPresence(presence), () => TAKEN)
  }

  #answer(request: Stanza, context: HostContext): Delivery | Promise<Delivery> {
    const payloads = request.element().children.filter(child => typeof child !== 'string')
    const [payload] = payloads
    if (payload === undefined || payloads.length > 1) return BAD_REQUEST // RFC 6120 §8.2.3
    const handler = this.#handlers.get(queryKey(request.type, payload.name, payload.namespace))
    const answer =
      handler === undefined
        ? answerQuery(request, payload, this.#profile(request))
        : handler.handle(request, payload)
    return then<Answer, Delivery>(answer, value => {
      if (value === undefined) return sent(context, resultOf(request))
      return isError(value) ? refusal(value) : sent(context, resultOf(request, value))
    })
  }

  /** What disco and version say of the addressee. */
  #profile(request: Stanza): Profile {
    const { identity = SERVER, features = [], onIq = [], software = ISTHMUS } = this.#options
    const isDomain = request.to.local === ''
    return {
      identity: isDomain ? identity : BOT,
      features: isDomain ? [...features, ...onIq.map(handler => handler.namespace)] : [],
      software,
      items:
        isDomain && this.#echo !== null
          ? [{ jid: `${ECHO_ACCOUNT}@${request.to.domain}`, name: 'Echo' }]
          : [],
    }
  }

  #running(): HostContext {
    if (this.#context === null) throw new TypeError('the host has not been started')
    return this.#context
  }
}

/** The body is read only where it is asked for: the tree costs as much as all the rest of a message's way. */
class Tools implements MessageTools {
  readonly reply: MessageTools['reply']
  readonly #message: Stanza

  constructor(message: Stanza, context: HostContext) {
    this.#message = message
    this.reply = async given => context.send(replyTo(message, given))
  }

  get body(): string {
    return bodyOf(this.#message)
  }
}

function queryKey(type: string, name: string, namespace: string): string {
  return `${type} ${name} ${namespace}`
}

/** Backpressure goes on: the stream whose stanza made us write waits until there is room. */
function sent(context: HostContext, stanza: Stanza): Delivery | Promise<Delivery> {
  const room = context.send(stanza)
  return room === undefined ? TAKEN : room.then(() => TAKEN)
}

function refusal(outcome: Outcome): Delivery {
  return outcome === undefined ? TAKEN : { taken: false, ...outcome }
}

function isError(value: Element | StanzaError): value is StanzaError {
  return 'condition' in value
}

/** Go on with a value now, or later where it is a promise: most handlers need none. */
function then<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

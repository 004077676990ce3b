import type { Random } from '../../src/base/index.ts'
import type { Connect, OutboundSession, StreamHandler } from '../../src/federation/connect.ts'
import type { Returns } from '../../src/federation/route-options.ts'
import type { Rest } from '../../src/session/index.ts'
import {
  type Domain,
  type DomainPair,
  type Failure,
  type Jid,
  parseDomain,
  type Stanza,
  type StanzaError,
} from '../../src/xmpp/index.ts'

// A network that does what the test says, when it says so.

export function domain(name: string): Domain {
  const parsed = parseDomain(name)
  if (parsed === null) throw new TypeError(`no domain: ${name}`)
  return parsed
}

export const CAPULET = domain('capulet.example')
export const MONTAGUE = domain('montague.example')
export const PAIR: DomainPair = { local: CAPULET, remote: MONTAGUE }

export const REFUSED: Failure = { by: 'network', kind: 'unreachable', detail: 'connection refused' }
export const CUT: Failure = { by: 'network', kind: 'closed', detail: 'the connection was lost' }

/** A numbered message without a tree, as the pool sees it. */
export function numbered(
  number: number,
  options: { from?: Domain; to?: Domain; bytes?: number; type?: string } = {},
): Stanza {
  const { from = CAPULET, to = MONTAGUE, bytes = 100, type = 'chat' } = options
  const jid = (at: Domain): Jid => ({ local: 'somebody', domain: at, resource: '' })
  return {
    kind: 'message',
    from: jid(from),
    to: jid(to),
    type,
    id: String(number),
    bytes: new Uint8Array(bytes),
    element() {
      throw new TypeError('the pool looks into no stanza')
    },
  }
}

export function numbers(stanzas: readonly Stanza[]): number[] {
  return stanzas.map(({ id }) => Number(id))
}

export class ScriptedSession implements OutboundSession {
  readonly peerLimits: { maxBytes: number | null; idleSeconds: null }
  readonly bidi: boolean
  readonly management = null
  readonly carried = 0
  readonly isFull = false
  readonly sent: Stanza[] = []
  /** how many more it takes before it says that it is full */
  room = Number.POSITIVE_INFINITY
  endedWith: Failure | null | undefined
  abortedWith: Failure | undefined
  /** the peer has closed, and the connection has not ended yet */
  isClosing = false
  /** who is told; of a stream that a peer opens, set once it is adopted */
  handler: StreamHandler | null
  readonly #onSend: OnSend
  #confirmed = 0
  #over = false

  constructor(
    handler: StreamHandler | null,
    { maxBytes, bidi }: ScriptedStream = {},
    onSend: OnSend = () => {},
  ) {
    this.handler = handler
    this.#onSend = onSend
    this.peerLimits = { maxBytes: maxBytes ?? null, idleSeconds: null }
    this.bidi = bidi ?? false
  }

  get over(): boolean {
    return this.#over
  }

  send(stanza: Stanza): boolean {
    if (this.#over || this.endedWith !== undefined) throw new Error('sent into a stream that has ended')
    this.sent.push(stanza)
    this.#onSend(stanza, this)
    this.room -= 1
    return this.room > 0
  }

  end(failure: Failure | null): void {
    if (this.endedWith === undefined) this.endedWith = failure
    this.isClosing = true
  }

  abort(failure: Failure): void {
    this.abortedWith = failure
    if (!this.#over) this.die(failure)
  }

  confirmedCount(): number {
    return this.#confirmed
  }

  get unconfirmed(): number {
    return this.sent.length - this.#confirmed
  }

  /** The peer has read so many more. */
  confirm(count: number): void {
    this.#confirmed += count
    this.handler?.onConfirmed()
  }

  drain(room = Number.POSITIVE_INFINITY): void {
    this.room = room
    this.handler?.onDrain()
  }

  /** All is confirmed, in order. */
  close(): void {
    this.#confirmed = this.sent.length
    this.#end(null)
  }

  die(failure: Failure | null, rest: Rest = 'unknown'): void {
    this.#end(failure, rest)
  }

  #end(failure: Failure | null, rest: Rest = 'unknown'): void {
    this.#over = true
    const unconfirmed = this.sent.slice(this.#confirmed)
    this.handler?.onEnded(failure, unconfirmed, unconfirmed.length, rest)
  }
}

/** Told of each stanza as it is written. */
export type OnSend = (stanza: Stanza, by: ScriptedSession) => void

/** What a stream is like that comes of a dial. */
interface ScriptedStream {
  readonly maxBytes?: number
  readonly bidi?: boolean
}

export interface ScriptedDial {
  readonly pair: DomainPair
  readonly signal: AbortSignal
  readonly open: boolean
  succeed(options?: ScriptedStream & { room?: number }, onSend?: OnSend): ScriptedSession
  /** the peer says it on the stream that has come of this dial */
  say(stanza: Stanza): Promise<void> | undefined
  fail(failure: Failure): void
}

export class ScriptedNetwork {
  readonly dials: ScriptedDial[] = []
  /** of dials that succeeded, in their order */
  readonly sessions: ScriptedSession[] = []

  readonly connect: Connect = (pair, handler, signal) => {
    let open = true
    const { sessions } = this
    this.dials.push({
      pair,
      signal,
      get open() {
        return open
      },
      succeed({ room, ...stream } = {}, onSend) {
        open = false
        const session = new ScriptedSession(handler, stream, onSend)
        if (room !== undefined) session.room = room
        sessions.push(session)
        handler.onConnected(session)
        return session
      },
      say: stanza => handler.onStanza(stanza, null),
      fail(failure) {
        open = false
        handler.onFailed(failure)
      },
    })
  }

  /** the newest dial */
  get last(): ScriptedDial {
    const last = this.dials.at(-1)
    if (last === undefined) throw new Error('nobody has dialled')
    return last
  }
}

export class RecordedReturns implements Returns {
  readonly bounced: { readonly number: number; readonly error: StanzaError }[] = []
  readonly told: { readonly number: number; readonly error: StanzaError }[] = []

  bounce(stanza: Stanza, error: StanzaError): undefined {
    this.bounced.push({ number: Number(stanza.id), error })
  }

  tell(stanza: Stanza, error: StanzaError): void {
    this.told.push({ number: Number(stanza.id), error })
  }
}

/** Jitter at its longest. */
export const LONGEST: Random = { bytes: length => new Uint8Array(length), unit: () => 1 }

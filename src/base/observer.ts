/**
 * Typed events. Rooms publish; logs, metrics, the demo and `check` subscribe. No room logs by itself.
 * Events are for things that happen per connection or per failure, never per delivered stanza.
 * Domains are text here because base knows no XMPP. `reason` is a stable identifier (see docs/ERRORS.md), `detail` a
 * sentence for a person. Values that came from a peer are data: subscribers cut and escape them.
 */
export interface Events {
  listening: { address: string; port: number }
  /** refused before there was a stream: TLS, HTTP, limits */
  'connection:refused': { address: string; reason: RefusalReason; detail: string; status?: number }
  /** the server behind a proxied path did not answer, or not right; the asker was told `status`, or cut where null */
  'proxy:failed': { address: string; path: string; to: string; status: number | null; detail: string }
  'discovery:started': { domain: string }
  'discovery:found': { domain: string; source: string; candidates: readonly string[]; ms: number }
  'discovery:failed': { domain: string; reason: string; detail: string; ms: number }
  'candidate:trying': { local: string; remote: string; url: string; source: string }
  'candidate:connected': {
    local: string
    remote: string
    url: string
    address: string
    tls: string
    ms: number
  }
  'candidate:failed': { local: string; remote: string; url: string; reason: string; detail: string }
  /** a peer's certificate was judged for a domain */
  identity: {
    role: StreamRole
    domain: string
    ok: boolean
    /** which kind of name proved it, where ok */
    via?: string
    name?: string
    reason?: string
    detail?: string
  }
  'stream:open': StreamLabel & { id: string }
  'stream:features': StreamLabel & { features: readonly string[] }
  'stream:authenticating': StreamLabel & { mechanism: string }
  'stream:established': StreamLabel & {
    transport: string
    /** e.g. 'TLSv1.3', or 'none' */
    tls: string
    authentication: 'sasl-external' | 'dialback' | 'handshake'
    /** the name and kind that proved the peer, for the log */
    proof: string
    /** stanzas go both ways */
    bidi: boolean
    setupMs: number
  }
  'stream:ended': StreamLabel & { established: boolean; reason: string; detail: string; lifeMs: number }
  /** a field of a request says what only a proxy of ours may say, or says it badly: it counts for nothing */
  'forwarded:ignored': { address: string; field: string; detail: string }
  /** a key was shown to us, and a server of its domain was asked whether it is its own (XEP-0220) */
  'dialback:asked': {
    local: string
    remote: string
    /** who was asked */
    address: string
    outcome: 'valid' | 'invalid' | 'error'
    detail: string
    ms: number
  }
  /** our local server does not answer pings: what it was sent counts as read once it is written */
  'leg:silent': { local: string; remote: string }
  /** a stream that was lost, or left, goes on on another one; `count` stanzas that it had not confirmed go with it */
  'stream:resumed': { local: string; remote: string; count: number }
  /** a stream has ended, and nothing could say what of it had arrived: `count` stanzas go out again, and may be there twice */
  'stanza:resent': { local: string; remote: string; count: number }
  'stanza:bounced': { local: string; remote: string; condition: string; count: number; detail: string }
  /** a host threw or rejected: a defect of the host; the stanza was bounced */
  'host:failed': { domain: string; detail: string }
  'certificate:loaded': { domain: string; notAfterMs: number; sha256: string }
  'certificate:problem': { domain: string; reason: string; detail: string }
  /** the DNS responder, UDP and TCP */
  'steering:listening': { address: string; port: number }
  /** whether a local server's stream to the domain is brought to us; once a decision, which questions may share */
  'steering:decided': {
    domain: string
    steered: boolean
    outcome: SteeringOutcome
    detail: string
    ms: number
  }
  /** an upstream did not answer; now and then, with the number since the last report */
  'steering:forward-failed': { upstream: string; detail: string; count: number }
  /** questions above a limit; now and then, with the number since the last report */
  'steering:refused': { detail: string; count: number }
  /** local domains are others from now on; `moved` have another host. What goes is drained meanwhile. */
  reconfigured: { added: readonly string[]; removed: readonly string[]; moved: readonly string[] }
  /** the configuration was read again and cannot be put in force: the former one stays */
  'reload:failed': { detail: string }
  stopping: { deadlineMs: number }
  /** with what became of every stanza (federation/account.ts) */
  stopped: {
    ms: number
    accepted: number
    delivered: number
    bounced: number
    dropped: number
    inDoubt: number
    resent: number
    ambiguous: number
    held: number
  }
}

/** Each is a row of docs/ERRORS.md. */
export type RefusalReason = 'limit' | 'tls' | 'http' | 'internal'

/** late, failed, overload: forwarded undecided */
export type SteeringOutcome = 'decided' | 'late' | 'failed' | 'overload'

export type StreamRole = 'initiating' | 'receiving'

export interface StreamLabel {
  readonly role: StreamRole
  /** one of our domains; '' while unknown */
  readonly local: string
  /** the peer's domain as claimed, or as proven once established; '' while unknown */
  readonly remote: string
  readonly address: string
}

export type EventName = keyof Events
export type Event = { [K in EventName]: { readonly type: K } & Readonly<Events[K]> }[EventName]

export class Observer {
  readonly #subscribers = new Set<(event: Event) => void>()

  publish(event: Event): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(event)
      } catch {
        // A subscriber's defect must not reach the stream that published; it alone loses the event.
      }
    }
  }

  /** @returns a function that ends the subscription; idempotent */
  subscribe(subscriber: (event: Event) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }
}

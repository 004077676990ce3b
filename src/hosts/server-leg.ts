import type { Limits } from '../base/index.ts'
import type { Connect, ConnectHandler, HostContext } from '../federation/index.ts'
import { type Custody, openStream, type SessionHandler, startInitiating, verify } from '../session/index.ts'
import type { DialbackOutcome, DialbackSecret, Verification } from '../stream/index.ts'
import { type Dialled, dialTcp, type Transport } from '../transport/index.ts'
import { type Domain, type DomainPair, describe, type Failure, type Stanza, toAscii } from '../xmpp/index.ts'
import { Barriers } from './barriers.ts'
import type { ServerTls } from './server-tls.ts'
import { Turns } from './turns.ts'

export interface ServerLegOptions {
  readonly address: { readonly host: string; readonly port: number }
  /** null: plaintext, and dialback */
  readonly tls: ServerTls | null
  readonly secret: DialbackSecret
  readonly context: HostContext
  /** for connections on this machine */
  readonly limits: Limits
  /** what the server sends on a stream that we have opened (XEP-0288) */
  readonly onStanza: (stanza: Stanza, custody: Custody | null) => Promise<void> | undefined
}

/** The way to the server: one stream for each pair, on which we are the remote domain. */
export class ServerLeg {
  readonly #options: ServerLegOptions
  readonly #barriers: Barriers
  /** of those who ask the server about keys */
  readonly #turns: Turns
  /** domains of the server that take no stream management; asked again once it has been away */
  readonly #unmanaged = new Set<Domain>()

  constructor(options: ServerLegOptions) {
    this.#options = options
    const { legVerifications, legVerificationsWaiting } = options.limits
    this.#turns = new Turns(legVerifications, legVerificationsWaiting)
    this.#barriers = new Barriers(options.context.random)
  }

  /** An answer to a question of ours, which nobody else is to see. */
  takes(stanza: Stanza): boolean {
    return this.#barriers.takes(stanza)
  }

  readonly connect: Connect = (pair, handler, signal) => {
    this.#open(pair, handler, signal).then(
      failure => {
        if (failure !== null) handler.onFailed(failure)
      },
      defect => handler.onFailed({ by: 'us', kind: 'internal', detail: String(defect) }),
    )
  }

  /**
   * Ask the server at its configured address whether it has made a key: any process of this machine could come to us and
   * say that it is the server (DECISIONS 14). Never rejects.
   */
  async verify(verification: Verification, signal: AbortSignal): Promise<DialbackOutcome> {
    const refusal = await this.#turns.take(signal)
    if (refusal !== null) return refusal
    const { address, context, limits } = this.#options
    const { observer, clock, random } = context
    const dialled = await this.#dial(signal)
    if (!dialled.ok) {
      this.#turns.done()
      const { local, remote } = verification.pair
      const detail = describe(dialled.failure)
      const asked = { local, remote, address: address.host, outcome: 'error', detail, ms: 0 } as const
      observer.publish({ type: 'dialback:asked', ...asked })
      return { type: 'error', condition: 'remote-server-timeout' } // DB-27
    }
    return verify({
      transport: dialled.transport,
      verification,
      evidence: `its server at ${text(address)}`,
      signal,
      observer,
      clock,
      random,
      limits,
      onGone: () => this.#turns.done(),
    })
  }

  async #open(pair: DomainPair, handler: ConnectHandler, signal: AbortSignal): Promise<Failure | null> {
    const { observer, domains } = this.#options.context
    const { local, remote } = pair
    // It would be told that it is somebody else, by us.
    if (domains.has(local)) return sameServer(pair)
    const dialled = await this.#dial(signal)
    if (!dialled.ok) {
      this.#unmanaged.delete(remote)
      return dialled.failure
    }
    const barrier = this.#barriers.open(pair, () => observer.publish({ type: 'leg:silent', local, remote }))
    let hasAsked = false
    // Tried even where it is not offered: servers may take it on streams on which they do not say so.
    const management = {
      when: 'always',
      resumable: false,
      resumes: () => {
        hasAsked = true
        return null
      },
    } as const
    const isAsking = !this.#unmanaged.has(remote)
    const failure = await openStream(
      events => {
        const asking = isAsking ? { management } : {}
        const session = this.#start(dialled.transport, pair, events, { barrier: barrier.barrier, ...asking })
        barrier.of(session)
        return session
      },
      signal,
      session => {
        if (session.management === null) this.#unmanaged.add(remote)
        handler.onConnected(session)
        return {
          onStanza: (stanza, _, custody) => this.#options.onStanza(stanza, custody),
          onDrain: () => handler.onDrain(),
          onConfirmed: () => handler.onConfirmed(),
          onEnded: (...end) => {
            barrier.close()
            handler.onEnded(...end)
          },
        }
      },
    )
    if (failure === null) return null
    barrier.close()
    if (!hasAsked || failure.by !== 'peer' || signal.aborted) return failure
    // COMPAT(Prosody without mod_smacks): whoever does not know the question ends the stream.
    this.#unmanaged.add(remote)
    return this.#open(pair, handler, signal)
  }

  #start(
    transport: Transport,
    pair: DomainPair,
    handler: SessionHandler,
    asking: Pick<Parameters<typeof startInitiating>[0], 'barrier' | 'management'>,
  ): ReturnType<typeof startInitiating> {
    const { tls, secret, context, limits } = this.#options
    const { observer, clock, random } = context
    const authentication =
      tls === null
        ? { dialback: secret }
        : {
            starttls: {
              required: true,
              servername: toAscii(pair.remote),
              secureContext: tls.contextFor(pair.local),
              judge: tls.judgeServer,
            },
          }
    return startInitiating({
      transport,
      pair,
      verdict: tls === null ? 'configured-address' : 'by-starttls',
      ...authentication,
      bidi: true,
      stanzasTo: 'anybody',
      ...asking,
      handler,
      observer,
      clock,
      random,
      limits,
    })
  }

  #dial(signal: AbortSignal): Promise<Dialled<never>> {
    const { address, context, limits } = this.#options
    const { clock } = context
    return dialTcp({ address: address.host, port: address.port, tls: null, limits, clock, signal })
  }
}

function sameServer({ local, remote }: DomainPair): Failure {
  return {
    by: 'us',
    kind: 'policy',
    detail: `${local} and ${remote} are of one server, which does not need us`,
  }
}

function text({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

import { isIP } from 'node:net'
import type { Connect, HostContext, StreamHost } from '../federation/index.ts'
import { type Authority, createTrustStore } from '../identity/index.ts'
import { type Custody, startReceiving } from '../session/index.ts'
import { dialbackSecret } from '../stream/index.ts'
import { listenTcp, type TcpListener, type Transport } from '../transport/index.ts'
import type { Domain, Stanza } from '../xmpp/index.ts'
import { LegCertificates } from './leg-certificates.ts'
import { localLimits } from './local-limits.ts'
import { ServerLeg } from './server-leg.ts'
import { ServerStreams } from './server-streams.ts'
import type { ServerTls } from './server-tls.ts'
import { serverTrust } from './server-trust.ts'

export interface XmppServerOptions {
  /** Where the server takes s2s: an IP address and a port. Whoever listens there is the server, unless TLS says otherwise. */
  readonly address: { readonly host: string; readonly port: number }
  /** Where it brings its own s2s: IP addresses; port 0 takes a free one. `::1` is left out on a machine without IPv6. */
  readonly listen: readonly { readonly address: string; readonly port: number }[]
  /** CIDR blocks that may connect to `listen`; default 127.0.0.0/8 and ::1/128 */
  readonly allow?: readonly string[]
  readonly security: ServerSecurity
}

/**
 * `plaintext`: dialback. What the server shows on `listen` it is asked about at `address`, as any process of the machine
 * can connect. `tls`: STARTTLS, and both sides prove themselves by certificates, so that the server can stay strict.
 */
export type ServerSecurity =
  | { readonly kind: 'plaintext' }
  | {
      readonly kind: 'tls'
      /** signs a certificate for each remote domain that we speak for; the server must trust it */
      readonly authority: Authority
      /** PEM: whom the server's own certificate is checked against, for each domain that it serves; with a pin it may be empty */
      readonly ca: readonly string[]
      /** hex SHA-256 of the one certificate that is the server's, as DER, whatever its names; null: `ca` decides */
      readonly pin: string | null
    }

export interface XmppServerHost extends StreamHost {
  /** bound addresses, once started */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
}

/**
 * A server of its own beside us, over ordinary TCP s2s: to it we are every remote domain. It is reached at one address
 * and need not run: what is for it waits (`legAbsentMs`), and it is dialled again. `start` rejects with Node's error
 * where an address of `listen` cannot be had. Throws TypeError for options that can never work.
 */
export function xmppServer(options: XmppServerOptions): XmppServerHost {
  const { address, security } = options
  if (isIP(address.host) === 0) throw new TypeError(`not an IP address: ${address.host}`)
  if (security.kind === 'plaintext') return new XmppServer(options)
  const { pin, ca } = security
  if (pin === null && ca.length === 0)
    throw new TypeError('neither an authority nor a pin: nobody could be the server')
  if (pin !== null && !SHA256.test(pin)) throw new TypeError(`not the hex SHA-256 of a certificate: ${pin}`)
  return new XmppServer({ ...options, security: { ...security, pin: pin?.toLowerCase() ?? null } })
}

const SHA256 = /^[0-9a-f]{64}$/i
const LOOPBACK = ['127.0.0.0/8', '::1/128']

interface Running {
  readonly listener: TcpListener
  readonly streams: ServerStreams
  readonly leg: ServerLeg
}

class XmppServer implements XmppServerHost {
  readonly name = 'server'
  readonly #options: XmppServerOptions
  #running: Running | null = null

  constructor(options: XmppServerOptions) {
    this.#options = options
  }

  get listening(): readonly { readonly address: string; readonly port: number }[] {
    return this.#running?.listener.listening ?? []
  }

  /** Rejects with Node's error where an address cannot be had. */
  async start(context: HostContext): Promise<void> {
    if (this.#running !== null) throw new TypeError('a server host is started once')
    const { address, listen, allow = LOOPBACK, security } = this.#options
    const limits = localLimits(context.limits)
    const tls = security.kind === 'tls' ? serverTls(security, context) : null
    // Made anew at each start: a key is asked about within seconds (DB-02).
    const secret = dialbackSecret(context.random.bytes(SECRET_BYTES))
    const onStanza = (stanza: Stanza, custody: Custody | null): Promise<void> | undefined =>
      leg.takes(stanza) ? undefined : context.send(stanza, custody)
    const leg: ServerLeg = new ServerLeg({ address, tls, secret, context, limits, onStanza })
    const { clock, observer, random } = context
    const streams = new ServerStreams({ clock, limits, onStanza, onPair: pair => context.peerIsUp(pair) })
    const receive = (transport: Transport) =>
      streams.accept((handler, verified) =>
        startReceiving({
          transport,
          // Whoever it wants to reach, we are; who is not on the network is told to the sender, stanza by stanza.
          isLocal: domain => !context.domains.has(domain),
          admits: domain => context.domains.has(domain),
          trust: NOBODY,
          ...(tls === null
            ? { dialback: { secret, verify: (asked, signal) => verified(leg.verify(asked, signal)) } }
            : {
                judge: tls.judgeClient,
                starttls: { required: true, contextFor: ({ local }) => tls.contextFor(local) },
              }),
          legacy: true,
          // It hears what has arrived where it was sent to. What it had not heard of when a stream ends it returns itself.
          management: { resumable: false },
          // A key proves one pair. Whoever can have the server dial him gets keys of it for a stream id of his choice, and
          // could show one here: it must not speak for the server to anybody else. A certificate is the server's own.
          stanzasTo: tls === null ? 'pair' : 'anybody',
          handler,
          observer,
          clock,
          random,
          limits,
        }),
      )
    const listener = await listenTcp({
      listen,
      allow,
      sniffTls: true,
      maxConnections: limits.connections,
      limits,
      clock,
      onTransport: receive,
      onRefused: (from, reason) => {
        // COMPAT(Prosody): where both SRV records lead here it tries TLS first, and STARTTLS a moment later.
        if (reason === 'TLS before the stream') return
        observer.publish({ type: 'connection:refused', address: from, reason: 'limit', detail: reason })
      },
    })
    for (const bound of listener.listening) observer.publish({ type: 'listening', ...bound })
    this.#running = { listener, streams, leg }
  }

  readonly connect: Connect = (pair, handler, signal) => {
    if (this.#running === null) throw new TypeError('the host has not been started')
    this.#running.leg.connect(pair, handler, signal)
  }

  async endInbound(staggerMs: number, deadlineMs: number, of?: Domain): Promise<void> {
    const streams = this.#running?.streams
    if (of === undefined) await streams?.end(staggerMs, deadlineMs)
    else await streams?.endOf(of, staggerMs, deadlineMs)
  }

  serve(domain: Domain): void {
    this.#running?.streams.serve(domain)
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === null) return
    running.streams.abort()
    await running.listener.close()
  }
}

const SECRET_BYTES = 32

/** No certificate of the public network proves our own server. */
const NOBODY = createTrustStore({ roots: [] })

function serverTls(
  { authority, ca, pin }: Extract<ServerSecurity, { kind: 'tls' }>,
  { limits, clock, random, domains }: HostContext,
): ServerTls {
  // What another host of this federation serves is as remote to the server as everything else.
  const isLocal = (domain: Domain) => domains.has(domain)
  const certificates = new LegCertificates({ authority, ca, limits, clock, random, isLocal })
  const judge = serverTrust({ ca, pin, limits, clock })
  return {
    contextFor: remote => certificates.contextFor(remote),
    judgeServer: (tls, claimed) => judge(tls, claimed, 'initiating'),
    judgeClient: (tls, claimed) => judge(tls, claimed, 'receiving'),
  }
}

import type { Domain } from '../../xmpp/index.ts'

export const SERVERS = ['prosody', 'ejabberd', 'jabberd2', 'openfire', 'component'] as const
/** What stands beside the gateway. */
export type ServerName = (typeof SERVERS)[number]

/**
 * How the server's outgoing streams come to us. `localzone`: Prosody's own resolver answers every question with our
 * listener. `dns`: our responder. `module`: mod_s2s_isthmus. `property`: Openfire's override.
 */
export const STEERINGS = ['localzone', 'dns', 'module', 'property'] as const
export type Steering = (typeof STEERINGS)[number]

/** Where TLS of those who dial us ends: at our listeners, or at a proxy in front of them. */
export const TLS_ENDS = ['here', 'proxy'] as const
export type TlsEnd = (typeof TLS_ENDS)[number]

/** What is known when a configuration is begun; what is left out takes the value that fits the server. */
export interface InitAnswers {
  readonly server: ServerName
  readonly domain: Domain
  /** rooms, uploads: further domains of the server */
  readonly also?: readonly Domain[]
  readonly url?: string
  readonly tls?: TlsEnd
  /** CIDR blocks: where the proxy connects from */
  readonly trustedProxy?: readonly string[]
  readonly certificate?: string
  readonly key?: string
  /** our public listeners, 'ADDRESS:PORT' */
  readonly listen?: readonly string[]
  /** whether the machine may connect to others over TCP: no means that all streams come to us (DECISIONS 28) */
  readonly tcpEgress?: boolean
  readonly serverAddress?: string
  readonly serverListen?: readonly string[]
  readonly security?: 'plaintext' | 'tls'
  readonly serverCa?: string
  readonly serverPin?: string
  /** where the server reads whom it trusts */
  readonly roots?: string
  readonly steering?: Steering
  /** the remote domains that come to us, where they have to be listed */
  readonly remote?: readonly Domain[]
  readonly dnsListen?: string
  /** 'ADDRESS:PORT' */
  readonly dnsUpstream?: readonly string[]
  /** 'http://ADDRESS:PORT' of the server, which its users then reach through our port */
  readonly http?: string
  readonly componentListen?: string
  readonly componentSecret?: string
}

/** Which servers have which ways. */
export const WAYS: Readonly<Record<ServerName, readonly Steering[]>> = {
  prosody: ['dns', 'localzone', 'module'],
  ejabberd: ['dns'],
  jabberd2: ['dns'],
  openfire: ['property'],
  component: [],
}

/** Where users' programs come in over HTTP. */
export const PATHS: Readonly<
  Record<ServerName, readonly { readonly path: string; readonly link: 'websocket' | 'bosh' }[]>
> = {
  prosody: [
    { path: '/xmpp-websocket', link: 'websocket' },
    { path: '/http-bind', link: 'bosh' },
  ],
  ejabberd: [
    { path: '/ws', link: 'websocket' },
    { path: '/bosh', link: 'bosh' },
  ],
  jabberd2: [],
  openfire: [],
  component: [],
}

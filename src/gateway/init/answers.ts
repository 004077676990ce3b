import type { Domain } from '../../xmpp/index.ts'
import { isLoopback, parseAddress } from '../config/address.ts'
import { COMPONENT_LISTEN } from '../config/component-schema.ts'
import { SERVER_LISTEN } from '../config/server-schema.ts'
import { STEERING_LISTEN } from '../config/steering-schema.ts'

export const SERVERS = ['prosody', 'ejabberd', 'jabberd2', 'openfire', 'component'] as const
/** What stands beside the gateway. */
export type ServerName = (typeof SERVERS)[number]

/**
 * How the server's outgoing streams come to us. `localzone`: Prosody's own resolver answers every question with our
 * listener. `dns`: our responder. `module`: mod_s2s_isthmus. `property`: Openfire's override.
 */
export const STEERINGS = ['localzone', 'dns', 'module', 'property'] as const
export type Steering = (typeof STEERINGS)[number]

/** What is known when a configuration is begun; what is left out takes the value that fits the server. */
export interface InitAnswers {
  readonly server: ServerName
  readonly domain: Domain
  /** rooms, uploads: further domains of the server */
  readonly also?: readonly Domain[]
  readonly url?: string
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
  readonly dnsUpstream: readonly string[]
  /** 'http://ADDRESS:PORT' of the server, which its users then reach through our port */
  readonly http?: string
  readonly componentListen?: string
  readonly componentSecret: string
}

/** The answers, complete. */
export interface InitPlan
  extends Required<Omit<InitAnswers, 'serverCa' | 'serverPin' | 'steering' | 'http'>> {
  readonly serverCa: string | null
  readonly serverPin: string | null
  /** null: there is nothing to steer */
  readonly steering: Steering | null
  readonly http: string | null
}

export type Planned =
  | { readonly ok: true; readonly plan: InitPlan }
  /** `flag`: the answer that does not fit */
  | { readonly ok: false; readonly flag: string; readonly detail: string }

/** Debian's; `config check` says so where it is not there. */
export const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt'

const WAYS: Readonly<Record<ServerName, readonly Steering[]>> = {
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

const ROOTS: Readonly<Record<ServerName, string>> = {
  prosody: '/etc/prosody/isthmus-authority.pem',
  ejabberd: '/etc/ejabberd/isthmus-roots.pem',
  jabberd2: '',
  openfire: '',
  component: '',
}

/** Complete the answers, and see that they go together. */
export function planInit(answers: InitAnswers): Planned {
  const { server, domain, tcpEgress = true, remote = [] } = answers
  const steering = answers.steering ?? defaultSteering(server, tcpEgress)
  const security = answers.security ?? defaultSecurity(answers, tcpEgress)
  const fault = faultOf({ ...answers, tcpEgress, remote }, steering, security)
  if (fault !== null) return { ok: false, ...fault }
  const url = answers.url ?? `wss://${domain}/s2s`
  const known = answers.serverCa ?? (answers.serverPin === undefined ? SYSTEM_ROOTS : null)
  return {
    ok: true,
    plan: {
      server,
      domain,
      also: answers.also ?? [],
      url,
      certificate: answers.certificate ?? `${domain}.pem`,
      key: answers.key ?? `${domain}.key`,
      listen: answers.listen ?? [`[::]:${URL.canParse(url) ? new URL(url).port || 443 : 443}`],
      tcpEgress,
      serverAddress: answers.serverAddress ?? '127.0.0.1:5269',
      serverListen: answers.serverListen ?? SERVER_LISTEN,
      security,
      serverCa: security === 'tls' ? known : null,
      serverPin: security === 'tls' ? (answers.serverPin ?? null) : null,
      roots: answers.roots ?? ROOTS[server],
      steering,
      remote,
      dnsListen: answers.dnsListen ?? (server === 'jabberd2' ? '127.0.0.1:53' : STEERING_LISTEN),
      dnsUpstream: answers.dnsUpstream,
      http: answers.http ?? null,
      componentListen: answers.componentListen ?? COMPONENT_LISTEN,
      componentSecret: answers.componentSecret,
    },
  }
}

function defaultSteering(server: ServerName, tcpEgress: boolean): Steering | null {
  // Without TCP nothing else is worth looking up, and this way needs no responder.
  return server === 'prosody' && !tcpEgress ? 'localzone' : (WAYS[server][0] ?? null)
}

// A server that others still reach over TCP has to stay strict; plaintext would relax that port too.
function defaultSecurity(
  { server, serverCa, serverPin }: InitAnswers,
  tcpEgress: boolean,
): 'plaintext' | 'tls' {
  if (serverCa !== undefined || serverPin !== undefined) return 'tls'
  return tcpEgress && canBeStrict(server) ? 'tls' : 'plaintext'
}

/** What is no address is found out by the check of the configuration. */
function isOfThisMachine(serverAddress: string | undefined): boolean {
  const at = serverAddress === undefined ? null : parseAddress(serverAddress)
  return at === null || isLoopback(at.host)
}

function canBeStrict(server: ServerName): boolean {
  return server === 'prosody' || server === 'ejabberd'
}

function faultOf(
  answers: InitAnswers & { readonly tcpEgress: boolean; readonly remote: readonly Domain[] },
  steering: Steering | null,
  security: 'plaintext' | 'tls',
): { flag: string; detail: string } | null {
  const { server, tcpEgress, remote, serverCa, serverPin } = answers
  const ways = WAYS[server]
  if (steering !== null && !ways.includes(steering)) {
    const detail =
      ways.length === 0 ? `nothing is steered with ${server}` : `${server} has ${ways.join(', ')}`
    return { flag: '--steering', detail }
  }
  if (steering === 'localzone' && tcpEgress)
    return { flag: '--steering', detail: 'localzone takes every domain: it goes with --tcp-egress no' }
  const listed = steering === 'module' || steering === 'property'
  if (listed && tcpEgress && remote.length === 0)
    return { flag: '--remote', detail: `name the domains that come to the gateway, or say --tcp-egress no` }
  if (remote.length > 0 && !(listed && tcpEgress))
    return {
      flag: '--remote',
      detail: 'domains are listed for module and property only, with --tcp-egress yes',
    }
  if (!isOfThisMachine(answers.serverAddress))
    return {
      flag: '--server-address',
      detail:
        'what init writes is for a server on this machine; for another, begin with `isthmus config sample`',
    }
  if (answers.http !== undefined && PATHS[server].length === 0)
    return { flag: '--http', detail: 'only the paths of prosody and ejabberd are known' }
  if (security === 'tls' && !canBeStrict(server))
    return { flag: '--security', detail: `only plaintext is known to work with ${server}` }
  if (security === 'plaintext' && (serverCa ?? serverPin) !== undefined)
    return { flag: '--security', detail: 'plaintext has no use for --server-ca and --server-pin' }
  if (serverCa !== undefined && serverPin !== undefined)
    return { flag: '--server-pin', detail: 'one of --server-ca and --server-pin is enough' }
  return null
}

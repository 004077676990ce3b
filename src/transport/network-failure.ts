import type { NetworkFailure } from '../base/index.ts'

/** How far a connection had come when it failed. */
export type DialStage = 'connect' | 'tls' | 'http' | 'open'

/** Node's and OpenSSL's error codes in the project's words. The only place that looks at them. */
export function networkFailure(error: unknown, stage: DialStage): NetworkFailure {
  const code = codeOf(error)
  const known = KNOWN[code]
  if (known !== undefined) return { by: 'network', ...known }
  const { kind, detail } = BY_STAGE[stage]
  const reason = RESET.has(code) ? 'the peer ended the connection' : reasonOf(error, code)
  return { by: 'network', kind, detail: `${detail}: ${reason}` }
}

export function timeoutFailure(stage: DialStage): NetworkFailure {
  return { by: 'network', kind: 'timeout', detail: `${BY_STAGE[stage].detail}: no answer in time` }
}

/** What a close frame means for the transport; codes carry no XMPP meaning (WS-48). */
export function closedFailure(code: number, reason: string): NetworkFailure | null {
  // 1005: a close frame without a code
  if (code === 1000 || code === 1001 || code === 1005) return null
  const said = reason === '' ? '' : `: ${reason}`
  return { by: 'network', kind: 'closed', detail: `the peer closed the WebSocket with ${code}${said}` }
}

/** The peer broke RFC 6455, as `ws` found it; null for every other error. */
export function protocolFailure(error: Error): NetworkFailure | null {
  if (!codeOf(error).startsWith('WS_ERR_')) return null
  return { by: 'network', kind: 'closed', detail: `the peer broke a WebSocket rule: ${error.message}` }
}

type Known = Pick<NetworkFailure, 'kind' | 'detail'>

const BY_STAGE: Readonly<Record<DialStage, Known>> = {
  connect: { kind: 'unreachable', detail: 'could not connect' },
  tls: { kind: 'tls', detail: 'the TLS handshake failed' },
  http: { kind: 'http', detail: 'the HTTP request failed' },
  open: { kind: 'closed', detail: 'the connection was lost' },
}

const unreachable = (detail: string): Known => ({ kind: 'unreachable', detail })

const KNOWN: Readonly<Record<string, Known>> = {
  ECONNREFUSED: unreachable('connection refused'),
  EHOSTUNREACH: unreachable('no route to the host'),
  EHOSTDOWN: unreachable('the host is down'),
  ENETUNREACH: unreachable('no route to the network'),
  ENETDOWN: unreachable('the network is down'),
  EADDRNOTAVAIL: unreachable('no local address can reach it'),
  EACCES: unreachable('the system does not permit the connection'),
  EPERM: unreachable('the system does not permit the connection'),
  ETIMEDOUT: { kind: 'timeout', detail: 'connection timed out' },
  ENOTFOUND: { kind: 'dns', detail: 'the name does not resolve' },
  EAI_AGAIN: { kind: 'dns', detail: 'the name does not resolve for now' },
}

const RESET: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ERR_STREAM_PREMATURE_CLOSE',
])

/** '' for none */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION -> 'tlsv1 alert protocol version' */
function reasonOf(error: unknown, code: string): string {
  if (code.startsWith('ERR_SSL_')) return code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ')
  return error instanceof Error ? error.message : String(error)
}

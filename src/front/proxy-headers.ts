import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { SECRET_FIELD } from './behind-proxy.ts'
import { CERTIFICATE_FIELDS } from './forwarded-certificate.ts'
import { type Answer, refuse } from './request.ts'

/**
 * Whether the body of a request that is passed on ends at one place for every parser. Node's parser has refused what
 * is outright wrong (both lengths, two lengths, a bad chunk); this is what it leaves to us.
 */
export function judgeFraming({ headers, httpVersion }: IncomingMessage): Answer | null {
  const encoding = headers['transfer-encoding']
  const length = headers['content-length']
  if (encoding !== undefined) {
    if (length !== undefined) return refuse(400, 'Content-Length and Transfer-Encoding exclude each other')
    if (encoding.toLowerCase() !== 'chunked') return refuse(400, 'no transfer encoding but chunked is taken')
    if (httpVersion !== '1.1') return refuse(400, 'chunks need HTTP/1.1')
  }
  if (length !== undefined && !/^\d+$/.test(length)) return refuse(400, 'Content-Length must be one number')
  const named = connectionOptions(headers).find(name => OF_THE_MESSAGE.has(name))
  if (named !== undefined) return refuse(400, `Connection must not name ${named}`)
  return null
}

/** Whether the request has a body, by its head. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && !/^0+$/.test(length))
}

/** What was said to us about who asks; the server behind believes it from us. */
export interface Forwarded {
  /** IP address of the client */
  readonly address: string
  readonly host: string
}

/**
 * Make the header fields of a request those that go on. Of the connection: gone, except the upgrade itself and the
 * framing of the body. About who asks: ours only.
 */
export function passRequestHeaders(headers: IncomingHttpHeaders, { address, host }: Forwarded): void {
  const { upgrade, 'transfer-encoding': encoding } = headers
  const upgrading = connectionOptions(headers).includes('upgrade')
  dropHopByHop(headers)
  for (const name of Object.keys(headers)) if (speaksForOthers(name)) delete headers[name]
  if (encoding !== undefined) headers['transfer-encoding'] = encoding
  if (upgrading && upgrade !== undefined) {
    headers.upgrade = upgrade
    headers.connection = 'Upgrade'
  }
  headers['x-forwarded-for'] = address
  headers['x-forwarded-proto'] = 'https'
  headers['x-forwarded-host'] = host
}

/** Make the header fields of an answer those that go on. Node frames the body anew where it was chunked. */
export function passResponseHeaders(headers: IncomingHttpHeaders): void {
  dropHopByHop(headers)
}

/** The same for an answer 101, which has no body. */
export function passUpgradeHeaders(headers: IncomingHttpHeaders): void {
  dropHopByHop(headers)
  delete headers['content-length']
  headers.upgrade = 'websocket'
  headers.connection = 'Upgrade'
}

/** What is wrong with an answer of the server behind; null: nothing. Node's parser has taken it. */
export function judgeAnswer({ statusCode = 0, headers, rawHeaders }: IncomingMessage): string | null {
  if (statusCode < 200 || statusCode > 599) return `its answer has the status ${statusCode}`
  const encoding = headers['transfer-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
    return 'its answer has a transfer encoding other than chunked'
  if (rawHeaders.length >= 2 * NODE_FIELDS) return 'its answer has too many header fields'
  return null
}

/** Node keeps so many, and forgets the others silently. */
const NODE_FIELDS = 1_000

function dropHopByHop(headers: IncomingHttpHeaders): void {
  for (const name of [...connectionOptions(headers), ...HOP_BY_HOP]) delete headers[name]
}

function connectionOptions({ connection = '' }: IncomingHttpHeaders): string[] {
  return connection.split(',').flatMap(option => option.trim().toLowerCase() || [])
}

/** Underscores are hyphens to some servers (CGI). */
function speaksForOthers(name: string): boolean {
  const plain = name.replaceAll('_', '-')
  return FAMILIES.some(prefix => plain.startsWith(prefix)) || SPEAK_FOR_OTHERS.has(plain)
}

/** With their verdicts and names of a client's certificate. */
const FAMILIES: readonly string[] = ['x-forwarded-', 'x-ssl-client-', 'x-amzn-mtls-']

/**
 * A certificate is among them: RFC 9440 §2.4 has whoever terminates TLS remove what the client claims. The secret is between
 * the proxy in front and us.
 */
const SPEAK_FOR_OTHERS: ReadonlySet<string> = new Set([
  'forwarded',
  'x-real-ip',
  SECRET_FIELD,
  ...Object.values(CERTIFICATE_FIELDS).flat(),
])

/** RFC 9110 §7.6.1, and what older software takes for such */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Never of one connection only: without them a request means another thing. */
const OF_THE_MESSAGE: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'cookie',
  'origin',
])

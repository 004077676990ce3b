import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Clock, Limits, NetworkFailure } from '../base/index.ts'
import { judgePeer, type PathLimits, type TrustStore } from '../identity/index.ts'
import { type DialledTls, dialTls, networkFailure, race } from '../transport/index.ts'
import { type Domain, type Failure, parseDomain, toAscii } from '../xmpp/index.ts'
import type { Endpoint, Resolver } from './candidate.ts'

export interface HttpDeps {
  readonly resolver: Resolver
  readonly trust: TrustStore
  /** without a certificate of ours: whoever asks for documents is nobody */
  readonly secureContext: SecureContext
  readonly limits: PathLimits &
    Pick<Limits, 'chainCertificates' | 'connectMs' | 'hostMetaBytes' | 'hostMetaHeaderBytes' | 'staggerMs'>
  readonly clock: Clock
}

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly location: string | null
  /** empty unless the status is 200 */
  readonly body: Uint8Array
}

export type Fetched =
  | { readonly ok: true; readonly answer: HttpAnswer }
  | { readonly ok: false; readonly failure: Failure }

/**
 * One GET over HTTPS, no redirect followed: resolve, vet, connect to exactly what was vetted, prove that it is the host of
 * the URL, and only then ask (DS-01, DS-60). Node's https client would judge names by its own rules (DECISIONS 8) and
 * resolve by itself, so its HTTP part alone is used.
 */
export async function get(deps: HttpDeps, url: URL, accept: string, signal: AbortSignal): Promise<Fetched> {
  const host = parseDomain(url.hostname)
  if (host === null) return { ok: false, failure: http(`not the name of a host: ${url.hostname}`) }
  const port = url.port === '' ? HTTPS_PORT : Number(url.port)
  const resolved = await deps.resolver.resolve(url.hostname, port, null, signal)
  if (!resolved.ok) return resolved
  const { won, lost } = await race<Endpoint, Attempt>(resolved.endpoints, {
    attempt: (endpoint, aborted) => connect(deps, host, endpoint, aborted),
    staggerMs: deps.limits.staggerMs,
    clock: deps.clock,
    signal,
  })
  if (won?.ok) return ask(deps, won.socket, { url, accept, signal })
  const failures = lost.flatMap(attempt => (attempt.ok ? [] : [attempt.failure]))
  // Whoever came as far as a certificate says most.
  const telling = failures.find(({ by }) => by === 'peer') ?? failures[0]
  return { ok: false, failure: telling ?? http(`${url.hostname} has no address`) }
}

type Attempt = DialledTls<Failure> & { readonly discard?: () => void }

function connect(deps: HttpDeps, host: Domain, endpoint: Endpoint, signal: AbortSignal): Promise<Attempt> {
  const { trust, limits, clock, secureContext } = deps
  return dialTls<Failure>({
    ...endpoint,
    servername: toAscii(host),
    secureContext,
    limits,
    clock,
    signal,
    vet: ({ chain, nodeVerdict }) => {
      const names = { domain: host, hosts: [], pins: [] }
      const evidence = { chain, nodeVerdict, names, trust, nowMs: clock.wallMs(), limits }
      const verdict = judgePeer({ ...evidence, role: 'initiating' })
      if (!verdict.ok) {
        const { reason, detail } = verdict
        return { by: 'peer', kind: 'identity', reason, detail: `${host} over HTTPS: ${detail}` }
      }
      // A web server is known by its DNS name; what proves an XMPP service alone does not prove it.
      if (verdict.via === 'dns-id') return null
      const detail = `${host} over HTTPS: the certificate is for XMPP only`
      return { by: 'peer', kind: 'identity', reason: 'name-mismatch', detail }
    },
  })
}

interface Question {
  readonly url: URL
  readonly accept: string
  readonly signal: AbortSignal
}

function ask(deps: HttpDeps, socket: Socket, { url, accept, signal }: Question): Promise<Fetched> {
  const { limits } = deps
  return new Promise(resolve => {
    let settled = false
    const settle = (result: Fetched) => {
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      resolve(result)
      socket.destroy()
    }
    const fail = (failure: Failure) => settle({ ok: false, failure })
    const onAbort = () => fail({ by: 'us', kind: 'aborted', detail: 'the caller gave up' })
    signal.addEventListener('abort', onAbort)

    const request = httpRequest({
      createConnection: () => socket,
      method: 'GET',
      path: url.pathname + url.search,
      headers: {
        Host: url.host,
        Accept: accept,
        // DS-04: nothing to unpack, nothing that could burst.
        'Accept-Encoding': 'identity',
        'User-Agent': 'isthmus',
        Connection: 'close',
      },
      maxHeaderSize: limits.hostMetaHeaderBytes,
    })
    request.on('error', error => fail(networkFailure(error, 'http')))
    request.on('close', () => fail(http('the connection ended within the answer')))
    let answered = false
    request.on('response', response => {
      answered = true
      receive(response, limits.hostMetaBytes, settle)
    })
    request.once('socket', () => {
      // Behind the parser: interim answers (1xx) would otherwise be free.
      let headBytes = 0
      socket.on('data', chunk => {
        headBytes += chunk.length
        if (!answered && headBytes > limits.hostMetaHeaderBytes)
          fail(http('the head of the answer is too long'))
      })
    })
    request.end()
    if (signal.aborted) onAbort()
  })
}

function receive(response: IncomingMessage, maxBytes: number, settle: (result: Fetched) => void): void {
  const { statusCode: status = 0, headers } = response
  const done = (body: Uint8Array) =>
    settle({
      ok: true,
      answer: {
        status,
        contentType: headers['content-type'] ?? '',
        location: headers.location ?? null,
        body,
      },
    })
  if (status !== 200) {
    done(NOTHING)
    return
  }
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity') {
    settle({ ok: false, failure: http('an answer with a content encoding, which we did not ask for') })
    return
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  response.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > maxBytes) settle({ ok: false, failure: http(`an answer of more than ${maxBytes} bytes`) })
  })
  response.on('error', error => settle({ ok: false, failure: networkFailure(error, 'http') }))
  response.on('end', () => done(new Uint8Array(Buffer.concat(chunks))))
}

function http(detail: string): NetworkFailure {
  return { by: 'network', kind: 'http', detail }
}

const HTTPS_PORT = 443
const NOTHING = new Uint8Array()

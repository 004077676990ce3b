import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import { addressesIn, peerAddress } from '../transport/index.ts'
import { CERTIFICATE_FIELDS, type CertificateFormat, fieldValues } from './forwarded-certificate.ts'
import { type Answer, refuse } from './request.ts'

/** A proxy in front of a listener, which ends TLS and says for whom it comes. */
export interface ProxyInFront {
  /** CIDR blocks of those who are believed; over a unix socket everybody is, as its mode says who may connect */
  readonly trusted: readonly string[]
  /** which header fields it writes; the others are whoever's */
  readonly fields: 'x-forwarded' | 'forwarded'
  /** how many proxies are ours, counted from us: each appends whom it has seen; at least 1 */
  readonly hops: number
  /** it comes by TLS, once more, and not by plain HTTP */
  readonly tls: boolean
  /** PEM, with TLS: it shows a certificate of one of these authorities; null: it need not */
  readonly ca: string | null
  /** it says so in X-Isthmus-Proxy-Secret; null: it need not */
  readonly secret: string | null
  /** null: a client's certificate is not forwarded */
  readonly certificate: CertificateFormat | null
}

/** Who is behind a request, as the proxy says. */
export interface Behind {
  /** of the client; that of the proxy where it names none */
  readonly address: string
}

/** The field in which a proxy shows that it is ours. */
export const SECRET_FIELD = 'x-isthmus-proxy-secret'

/** What a proxy says of its clients, and whether it is one that may (CT-32). */
export class BehindProxy {
  readonly #proxy: ProxyInFront
  readonly #trusts: (address: string) => boolean
  readonly #secret: Buffer | null

  /** @param unix the listener is a unix socket. Throws TypeError where a block is none. */
  constructor(proxy: ProxyInFront, unix: boolean) {
    this.#proxy = proxy
    const isTrusted = addressesIn(proxy.trusted)
    this.#trusts = address => unix || isTrusted(peerAddress(address))
    this.#secret = proxy.secret === null ? null : digest(proxy.secret)
  }

  get certificate(): CertificateFormat | null {
    return this.#proxy.certificate
  }

  /** @param address of the connection; '' over a unix socket */
  trusts(address: string): boolean {
    return this.#trusts(address)
  }

  /** Who is behind a request, or why it is not answered. */
  judge(request: IncomingMessage): Behind | Answer {
    const { remoteAddress = '' } = request.socket
    if (!this.#trusts(remoteAddress)) return refuse(403, 'this port is for the proxy in front of it')
    if (this.#proxy.ca !== null && !hasCertificate(request))
      return refuse(403, 'the proxy has shown no certificate that proves it')
    const hidden = namedOfTheConnection(request)
    if (hidden !== null) return refuse(400, `Connection must not name ${hidden}`)
    if (!this.#knowsSecret(request)) return refuse(403, 'the proxy has not shown its secret')
    const said = this.#proxy.fields === 'forwarded' ? forwarded(request) : xForwarded(request)
    // What the client has written itself stands before what our proxies have.
    const scheme = nthFromEnd(said.schemes, this.#proxy.hops, 'nearest')
    if (scheme === undefined || !SECURE.has(scheme.toLowerCase()))
      return refuse(403, scheme === undefined ? 'the proxy does not say https' : 'https is spoken here')
    const client = nthFromEnd(said.addresses, this.#proxy.hops, 'none')
    return { address: (client === undefined ? null : addressOf(client)) ?? peerAddress(remoteAddress) }
  }

  #knowsSecret(request: IncomingMessage): boolean {
    if (this.#secret === null) return true
    const [shown, ...others] = fieldValues(request, SECRET_FIELD)
    return shown !== undefined && others.length === 0 && timingSafeEqual(digest(shown), this.#secret)
  }
}

/** COMPAT(Traefik): it says `wss` of an upgrade that came by https. */
const SECURE: ReadonlySet<string> = new Set(['https', 'wss'])

/** One that Node has judged by the authorities of the proxy, which are the only ones of the listener. */
function hasCertificate({ socket }: IncomingMessage): boolean {
  return socket instanceof TLSSocket && socket.authorized
}

interface Said {
  readonly schemes: readonly string[]
  readonly addresses: readonly string[]
}

function xForwarded(request: IncomingMessage): Said {
  return {
    schemes: listOf(request, 'x-forwarded-proto'),
    addresses: listOf(request, 'x-forwarded-for'),
  }
}

/** RFC 7239 */
function forwarded(request: IncomingMessage): Said {
  const schemes: string[] = []
  const addresses: string[] = []
  for (const element of listOf(request, 'forwarded')) {
    const pairs = new Map(
      element.split(';').map(pair => {
        const [name = '', value = ''] = pair.split('=', 2)
        return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')]
      }),
    )
    // One of each for every hop, so that they are counted alike.
    schemes.push(pairs.get('proto') ?? '')
    addresses.push(pairs.get('for') ?? '')
  }
  return { schemes, addresses }
}

/** All values of a list field, in the order in which they were written. A quoted comma is an obscure name (RFC 7239 §6.3). */
function listOf(request: IncomingMessage, name: string): string[] {
  return fieldValues(request, name)
    .flatMap(value => value.split(','))
    .map(value => value.trim())
    .filter(value => value !== '')
}

/** What the proxy so many hops from us has written. Where there are fewer: what the nearest has, or nothing. */
function nthFromEnd(
  values: readonly string[],
  hops: number,
  otherwise: 'nearest' | 'none',
): string | undefined {
  return values.at(-hops) ?? (otherwise === 'nearest' ? values.at(-1) : undefined)
}

/** 'ADDRESS', 'ADDRESS:PORT' or '[ADDRESS]:PORT'; null for all else */
function addressOf(text: string): string | null {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return isIP(bare) === 0 ? null : peerAddress(bare)
}

/** Fields that are between the proxy and us: whoever has them dropped on the way (RFC 9110 §7.6.1) has no good in mind. */
function namedOfTheConnection({ headers }: IncomingMessage): string | null {
  const named = (headers.connection ?? '').split(',').map(option => option.trim().toLowerCase())
  return named.find(option => OURS.has(option)) ?? null
}

const OURS: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'forwarded',
  SECRET_FIELD,
  ...Object.values(CERTIFICATE_FIELDS).flat(),
])

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

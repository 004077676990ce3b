import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Limits } from '../base/index.ts'
import { servernameOf, sniOf, tlsFacts } from './tls.ts'
import type { TlsFacts } from './transport.ts'

/** What each side brings to TLS that the stream has agreed on (RFC 6120 §5). */
export type StartTlsOptions =
  | {
      readonly role: 'initiating'
      /** SNI; '' for none (CT-12) */
      readonly servername: string
      /** of createTlsContext */
      readonly secureContext: SecureContext
    }
  | {
      readonly role: 'receiving'
      readonly secureContext: SecureContext
      /** CT-15: asked for, never required */
      readonly requestCertificate: boolean
    }

/**
 * TLS over a connected socket, from its next byte on: what the socket has buffered is read as TLS. Node's verdict on the
 * peer is a fact, as everywhere. The caller listens to 'error' and 'close' of both sockets.
 * @param secured called once, when the handshake is done
 */
export function secure(
  socket: Socket,
  options: StartTlsOptions,
  limits: Pick<Limits, 'chainCertificates'>,
  secured: (facts: TlsFacts) => void,
): TLSSocket {
  if (options.role === 'initiating') {
    const servername = sniOf(options.servername)
    const tls = tlsConnect({
      socket,
      servername,
      secureContext: options.secureContext,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    tls.once('secureConnect', () => secured(tlsFacts(tls, servername, limits)))
    return tls
  }
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.secureContext,
    requestCert: options.requestCertificate,
    rejectUnauthorized: false,
  })
  // Until a tls.Server releases the socket, Node tells TLS errors by this event only, and leaves the connection as it is.
  tls.on('_tlsError', (error: Error) => tls.destroy(error))
  tls.once('secure', () => secured(tlsFacts(tls, servernameOf(tls), limits, verdictOf(tls))))
  return tls
}

/**
 * Node tells `authorized` only of sockets that a tls.Server has made, and such a server takes no SecureContext. What the
 * server would ask is asked here; where Node has it no longer, nobody is authorized.
 */
function verdictOf(tls: TLSSocket): string {
  const handle: unknown = Reflect.get(tls, '_handle')
  const verifyError: unknown =
    typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'verifyError') : undefined
  if (typeof verifyError !== 'function') return 'UNSPECIFIED'
  const error: unknown = Reflect.apply(verifyError, handle, [])
  if (error === null || error === undefined) return 'authorized'
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNSPECIFIED'
}

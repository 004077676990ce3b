import { createServer as createPlainServer, type Server as PlainServer, type ServerOptions } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Limits } from '../base/index.ts'
import type { Certificates } from './certificates.ts'
import type { ListenAddress } from './listener.ts'

/** Node's HTTPS server, or its HTTP server where a proxy ends TLS, as strict and as patient as ours are; nothing listens to it yet. */
export function httpServer(
  { proxy, clientCertificates }: Pick<ListenAddress, 'proxy' | 'clientCertificates'>,
  certificates: () => Certificates,
  limits: Limits,
): Server | PlainServer {
  // Those of clients, which a proxy hands on, need room.
  const maxHeaderSize = proxy?.certificate == null ? limits.httpHeaderBytes : limits.httpForwardedHeaderBytes
  const keepAliveTimeout = proxy === null ? limits.httpIdleMs : limits.httpBehindProxyIdleMs
  const shared = { ...settings(limits), maxHeaderSize, keepAliveTimeout }
  if (proxy?.tls === false) return counted(createPlainServer(shared), limits)
  return counted(
    createServer({
      ...certificates().fallback,
      SNICallback: (servername, done) => done(null, certificates().choose(servername)),
      // CT-15: requested, never required; also of a proxy, so that whoever is none is told so.
      requestCert: proxy === null ? clientCertificates === 'request' : proxy.ca !== null,
      rejectUnauthorized: false,
      handshakeTimeout: limits.tlsHandshakeMs,
      ...shared,
    }),
    limits,
  )
}

function settings(limits: Limits): ServerOptions {
  return {
    headersTimeout: limits.httpHeadersMs,
    // A slow upload is not an attack (DECISIONS 27): proxied bodies have their own patience, our routes take none.
    requestTimeout: 0,
    connectionsCheckingInterval: limits.httpCheckMs,
    // Both are checked by judgeForm, where a refusal is also reported.
    requireHostHeader: false,
    insecureHTTPParser: false,
  }
}

function counted<S extends PlainServer | Server>(server: S, limits: Limits): S {
  // Node cuts the list silently at this number.
  server.maxHeadersCount = limits.httpHeaderFields + 1
  return server
}

import { createServer as createPlainServer, type Server as PlainServer, type ServerOptions } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Limits } from '../base/index.ts'
import type { Certificates } from './certificates.ts'

/** Node's HTTPS server, as strict and as patient as ours are; nothing listens to it yet. */
export function httpsServer(
  certificates: Certificates,
  clientCertificates: 'request' | 'off',
  limits: Limits,
): Server {
  return counted(
    createServer({
      ...certificates.fallback,
      SNICallback: (servername, done) => done(null, certificates.choose(servername)),
      requestCert: clientCertificates === 'request', // CT-15: requested, never required
      rejectUnauthorized: false,
      handshakeTimeout: limits.tlsHandshakeMs,
      ...settings(limits),
      maxHeaderSize: limits.httpHeaderBytes,
    }),
    limits,
  )
}

/** The same for a proxy in front that ends TLS. @param certificates it hands on those of clients, which need room */
export function plainServer(certificates: boolean, limits: Limits): PlainServer {
  const maxHeaderSize = certificates ? limits.httpForwardedHeaderBytes : limits.httpHeaderBytes
  return counted(createPlainServer({ ...settings(limits), maxHeaderSize }), limits)
}

function settings(limits: Limits): ServerOptions {
  return {
    headersTimeout: limits.httpHeadersMs,
    // A slow upload is not an attack (DECISIONS 27): proxied bodies have their own patience, our routes take none.
    requestTimeout: 0,
    keepAliveTimeout: limits.httpIdleMs,
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

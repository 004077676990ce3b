import { createServer, type Server } from 'node:https'
import type { Limits } from '../base/index.ts'
import type { Certificates } from './certificates.ts'

/** Node's HTTPS server, as strict and as patient as ours are; nothing listens to it yet. */
export function httpsServer(
  certificates: Certificates,
  clientCertificates: 'request' | 'off',
  limits: Limits,
): Server {
  const server = createServer({
    ...certificates.fallback,
    SNICallback: (servername, done) => done(null, certificates.choose(servername)),
    requestCert: clientCertificates === 'request', // CT-15: requested, never required
    rejectUnauthorized: false,
    handshakeTimeout: limits.tlsHandshakeMs,
    maxHeaderSize: limits.httpHeaderBytes,
    headersTimeout: limits.httpHeadersMs,
    // A slow upload is not an attack (DECISIONS 27): proxied bodies have their own patience, our routes take none.
    requestTimeout: 0,
    keepAliveTimeout: limits.httpIdleMs,
    connectionsCheckingInterval: limits.httpCheckMs,
    // Both are checked by judgeForm, where a refusal is also reported.
    requireHostHeader: false,
    insecureHTTPParser: false,
  })
  // Node cuts the list silently at this number.
  server.maxHeadersCount = limits.httpHeaderFields + 1
  return server
}

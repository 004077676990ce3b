/**
 * front: the HTTP side of a gateway. It ends TLS, or believes a proxy that has, shows each peer the right certificate, answers the well-known
 * documents and health, turns upgrades to the subprotocol `xmpp` into transports (RFC 6455, RFC 7395 §3.1, XEP-0468), and
 * passes what is below a proxied path on to the server behind. It knows no stream: what a transport carries, and who its
 * peer is, others judge.
 *
 * Theory: every request passes the same gates in the same order: place (admission.ts), form (request.ts), route
 * (routes.ts), upgrade (request.ts, then transport). The gates are functions from a request to an answer or null;
 * listener.ts alone touches sockets, except that a proxied request (proxied.ts) is an exchange or a tunnel of its own.
 */
export type { FrontDomain } from './certificates.ts'
export { createFront, type Front, type FrontOptions } from './front.ts'
export type { Arrival, ListenAddress } from './listener.ts'
export { isOwnPath, type ProxyPath } from './proxy-paths.ts'
export { sourceOf } from './source.ts'

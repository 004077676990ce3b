/**
 * front: the HTTPS side of a gateway. It terminates TLS, shows each peer the right certificate, answers the well-known
 * documents and health, and turns upgrades to the subprotocol `xmpp` into transports (RFC 6455, RFC 7395 §3.1,
 * XEP-0468). It knows no stream: what a transport carries, and who its peer is, others judge.
 *
 * Theory: every request passes the same gates in the same order: place (admission.ts), form (request.ts), route
 * (routes.ts), upgrade (request.ts, then transport). The gates are functions from a request to an answer or null;
 * listener.ts alone touches sockets.
 */
export type { FrontDomain } from './certificates.ts'
export { createFront, type Front, type FrontOptions } from './front.ts'
export type { Arrival, ListenAddress } from './listener.ts'

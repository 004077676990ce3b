/**
 * federation: stanzas between domains. It finds for each stanza its way: to the host of a local domain, or to the one
 * stream of a (local, remote) pair, which it dials, keeps, drains in order and dials again; it takes the streams that
 * peers open; and it knows at any time what became of every stanza (account.ts).
 *
 * It is not: HTTP and TLS listening (front/), what a stream says (stream/, session/), where a domain is (discovery/),
 * whether a certificate proves it (identity/), who answers for a local domain (hosts/).
 *
 * Theory. The router counts a stanza in and picks a lane (local) or a route (remote). A route is its backlog, its streams
 * (Ways: one is written to; from one to the next it hands over; a lost one is kept, Parking, until the next one resumes it)
 * and when it dials (Redial: one state of five, and nothing else dials). What cannot be resumed goes again, or does not, by
 * kind (Resending). Whoever brings stanzas gets a promise when there is no room, and a bounce when he does not wait: queues
 * are bounded. Reading from a peer waits for writing to the same peer only when the queue of that pair is full. A host that
 * is a server of its own is reached by legs: routes from any domain to the server's, which the host dials; policy.ts has
 * what differs. The path of a stanza makes no promise and no closure while there is room.
 *
 * RFC 6120 §§4.5, 8 and 10, RFC 7395 §3.6, XEP-0468, XEP-0478 0.2; DECISIONS 9, 10, 12, 21, 22, 23, 26, 30.
 */
export type { AccountSnapshot } from './account.ts'
export { fixedDifferences } from './change.ts'
export type { CheckReport } from './check.ts'
export type { ProofReport } from './check-proof.ts'
export type { Stage, StageName } from './check-stages.ts'
export type { Adopted, Connect, ConnectHandler, OutboundSession } from './connect.ts'
export type { StartInitiating } from './dial.ts'
export { FederationCore, type FederationDeps } from './federation.ts'
export type { Delivery, Host, HostContext, StreamHost } from './host.ts'
export type { ListenOptions } from './listen-options.ts'
export {
  type DomainOptions,
  type FederationOptions,
  type ProxyOptions,
  readOptions,
  type Settings,
} from './options.ts'
export { publishedDomains } from './published.ts'

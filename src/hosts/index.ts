/**
 * hosts: who answers for a local domain. Each implements federation's Host and runs against the compliance kit, or, where it
 * is a server that is reached by streams, its StreamHost.
 *
 * - embedded: in this process; pings, disco, version, an echo, and handlers for bots.
 * - xmpp-server: a server beside us (Prosody, ejabberd, ...), over TCP s2s, for which we are every remote domain.
 * - component: programs that connect to us as components (XEP-0114), with no server.
 *
 * It is not: routing, queues or retries (federation/). A host gets stanzas of proven origin, one after the other, and says
 * of each that it took it, or which condition the sender is told.
 *
 * RFC 6120 §§8.2.3 and 10.5, XEP-0030 2.5, XEP-0092 1.1, XEP-0114 1.6, XEP-0199 2.0.
 */
export { type ComponentHost, type ComponentOptions, component } from './component.ts'
export {
  type EmbeddedHost,
  type EmbeddedOptions,
  embedded,
  type IqHandler,
  type MessageTools,
} from './embedded.ts'
export {
  type ServerSecurity,
  type XmppServerHost,
  type XmppServerOptions,
  xmppServer,
} from './xmpp-server.ts'

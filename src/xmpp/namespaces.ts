/** Namespace names, as opaque constants (PROTOCOL 0.1). */
export const NS = {
  framing: 'urn:ietf:params:xml:ns:xmpp-framing-server',
  framingC2s: 'urn:ietf:params:xml:ns:xmpp-framing',
  stream: 'http://etherx.jabber.org/streams',
  server: 'jabber:server',
  client: 'jabber:client',
  component: 'jabber:component:accept',
  dialback: 'jabber:server:dialback',
  dialbackFeature: 'urn:xmpp:features:dialback',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  streamErrors: 'urn:ietf:params:xml:ns:xmpp-streams',
  stanzaErrors: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  errors: 'urn:xmpp:errors',
  tls: 'urn:ietf:params:xml:ns:xmpp-tls',
  bidiFeature: 'urn:xmpp:features:bidi',
  bidi: 'urn:xmpp:bidi',
  sm: 'urn:xmpp:sm:3',
  limits: 'urn:xmpp:stream-limits:0',
  ping: 'urn:xmpp:ping',
  delay: 'urn:xmpp:delay',
  version: 'jabber:iq:version',
  discoInfo: 'http://jabber.org/protocol/disco#info',
  discoItems: 'http://jabber.org/protocol/disco#items',
  xrd: 'http://docs.oasis-open.org/ns/xri/xrd-1.0',
  xml: 'http://www.w3.org/XML/1998/namespace',
} as const

/** Link relation of XEP-0487 for s2s over WebSocket. */
export const REL_S2S_WEBSOCKET = 'urn:xmpp:alt-connections:s2s-websocket'

/** Those for clients (XEP-0156); never an endpoint for servers (DS-07). */
export const REL_WEBSOCKET = 'urn:xmpp:alt-connections:websocket'
export const REL_BOSH = 'urn:xmpp:alt-connections:xbosh'

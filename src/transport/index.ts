/**
 * transport: moves messages between two hosts and reports what TLS said. WebSocket (RFC 6455 with the subprotocol of
 * RFC 7395), TCP, and memory for tests and for streams within one process. It knows no XMPP: no elements, no domains,
 * and no verdict about a certificate.
 *
 * Theory: a transport is one object with one handler. All wires obey one contract (transport.ts), of which
 * delivery.ts keeps the rules and test/kit/transport-compliance.ts is the proof.
 */
export {
  type AcceptLimits,
  type AcceptWebSocket,
  type ProxiedPeer,
  webSocketAcceptor,
} from './accept-websocket.ts'
export { bind, bindPath } from './bind.ts'
export type { Dialled, DialOptions, DialStep, DialTlsOptions } from './dial.ts'
export { type DialledTls, dialTls } from './dial-tls.ts'
export { type DialWebSocketLimits, type DialWebSocketOptions, dialWebSocket } from './dial-websocket.ts'
export {
  type ListenTcpOptions,
  listenTcp,
  type TcpAddress,
  type TcpListener,
  type TcpRefusal,
} from './listen-tcp.ts'
export { type MemoryTransport, type MemoryTransportOptions, memoryTransportPair } from './memory.ts'
export { networkFailure } from './network-failure.ts'
export { addressesIn, peerAddress } from './peer-address.ts'
export { race } from './race.ts'
export type { StartTlsOptions } from './start-tls.ts'
export { acceptTcp, type DialTcpOptions, dialTcp, type TcpLimits } from './tcp.ts'
export { createTlsContext, type TlsContextOptions, tlsContextSettings } from './tls.ts'
export type { CloseCode, TlsFacts, Transport, TransportFacts, TransportHandler } from './transport.ts'

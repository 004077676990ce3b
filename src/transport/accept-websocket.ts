import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { WebSocketServer } from 'ws'
import type { Clock, Limits } from '../base/index.ts'
import { servernameOf, tlsFacts } from './tls.ts'
import type { Transport, TransportFacts } from './transport.ts'
import { type WebSocketLimits, WebSocketTransport, webSocketSettings } from './websocket.ts'

export type AcceptLimits = WebSocketLimits & Pick<Limits, 'chainCertificates'>

/** Who is at the other end where that is not whoever is connected, as a proxy says. */
export interface ProxiedPeer {
  readonly address: string
  /** DER, leaf first, as the client has shown it to the proxy; empty: none */
  readonly chain: readonly Uint8Array[]
}

/**
 * @param peer null: whoever is connected
 * @returns null where the socket is gone or the request is no upgrade after all; it has been answered then
 */
export type AcceptWebSocket = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  peer: ProxiedPeer | null,
) => Transport | null

/**
 * The receiving side of the upgrade, for requests that have been judged already: answers 101 with the subprotocol
 * `xmpp` (WS-03) and no extension (WS-15).
 */
export function webSocketAcceptor(limits: AcceptLimits, clock: Clock): AcceptWebSocket {
  const server = new WebSocketServer({
    ...webSocketSettings(limits),
    noServer: true,
    clientTracking: false,
    handleProtocols: offered => (offered.has('xmpp') ? 'xmpp' : false),
  })
  return (request, socket, head, peer) => {
    let transport: Transport | null = null
    server.handleUpgrade(request, socket, head, ws => {
      transport = new WebSocketTransport({
        ws,
        socket,
        facts: peer === null ? factsOf(socket, limits) : proxiedFacts(peer),
        limits,
        clock,
        role: 'server',
      })
    })
    return transport
  }
}

function factsOf(socket: Duplex, limits: AcceptLimits): TransportFacts {
  if (!(socket instanceof TLSSocket))
    return { kind: 'websocket', remoteAddress: '', remotePort: 0, tls: null }
  return {
    kind: 'websocket',
    remoteAddress: socket.remoteAddress ?? '',
    remotePort: socket.remotePort ?? 0,
    tls: tlsFacts(socket, servernameOf(socket), limits),
  }
}

function proxiedFacts({ address, chain }: ProxiedPeer): TransportFacts {
  const tls = { protocol: 'proxy', cipher: '', servername: '', chain, nodeVerdict: 'forwarded' }
  return {
    kind: 'websocket',
    remoteAddress: address,
    remotePort: 0,
    tls: chain.length === 0 ? null : tls,
    proxied: true,
  }
}

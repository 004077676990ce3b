import { type Codec, tcpCodec, webSocketCodec } from '../framing/index.ts'
import type { TransportPolicy } from '../stream/index.ts'
import type { TransportFacts } from '../transport/index.ts'
import type { XmlLimits } from '../xml/index.ts'

/** All that a stream's course depends on of the wire beneath it. */
export interface Wire {
  readonly codec: (limits: XmlLimits) => Codec
  readonly policy: TransportPolicy
}

export function wireOf(facts: TransportFacts): Wire {
  return WIRES[facts.kind](facts)
}

// WS-01: where a WebSocket carries no TLS of its own, configuration has said that something in front of it does.
const WEBSOCKET: Wire = { codec: webSocketCodec, policy: { secure: true, name: 'websocket' } }

const WIRES: Readonly<Record<TransportFacts['kind'], (facts: TransportFacts) => Wire>> = {
  websocket: () => WEBSOCKET,
  tcp: ({ tls }) => ({ codec: tcpCodec, policy: { secure: tls !== null, name: 'tcp' } }),
  memory: () => WEBSOCKET,
}

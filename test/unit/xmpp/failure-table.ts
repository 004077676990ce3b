import type { Failure, FailureId } from '../../../src/xmpp/index.ts'

export interface Expected {
  readonly failure: Failure
  /** condition of the stream error; null: the peer is not told */
  readonly stream: string | null
  /** condition of the bounce */
  readonly stanza: string
  readonly retry: 'next' | 'later' | 'never'
  readonly text: string
}

// Every kind has its row, or this does not compile.
export const TABLE: Readonly<Record<FailureId, Expected>> = {
  'peer.violation': {
    failure: { by: 'peer', kind: 'violation', condition: 'bad-format', rule: 'WS-24', detail: 'no element' },
    stream: 'bad-format',
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'the peer broke a rule of the protocol (WS-24): no element',
  },
  'peer.reported': {
    failure: { by: 'peer', kind: 'reported', condition: 'system-shutdown', detail: 'back soon' },
    stream: null, // never an error for an error
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'the peer ended the stream with system-shutdown: back soon',
  },
  'peer.unauthenticated': {
    failure: { by: 'peer', kind: 'unauthenticated', detail: 'no mechanism in common' },
    stream: 'policy-violation',
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'authentication failed: no mechanism in common',
  },
  'peer.identity': {
    failure: { by: 'peer', kind: 'identity', reason: 'expired', detail: 'expired yesterday' },
    stream: 'policy-violation',
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: "the peer's certificate was refused (expired): expired yesterday",
  },
  'peer.redirect': {
    failure: { by: 'peer', kind: 'redirect', uri: 'ws://x', detail: 'not to a wss URL' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'the peer redirected us: not to a wss URL',
  },
  'peer.no-endpoint': {
    failure: { by: 'peer', kind: 'no-endpoint', detail: 'verona.example publishes no endpoint' },
    stream: null,
    stanza: 'remote-server-not-found', // SZ-20
    retry: 'never',
    text: 'verona.example publishes no endpoint',
  },
  'peer.closed': {
    failure: { by: 'peer', kind: 'closed', detail: '' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'later',
    text: 'the peer closed the stream',
  },
  'network.dns': {
    failure: { by: 'network', kind: 'dns', detail: 'verona.example does not exist' },
    stream: null,
    stanza: 'remote-server-not-found',
    retry: 'next',
    text: 'verona.example does not exist',
  },
  'network.forbidden-address': {
    failure: { by: 'network', kind: 'forbidden-address', detail: '10.0.0.1 is private' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: '10.0.0.1 is private',
  },
  'network.unreachable': {
    failure: { by: 'network', kind: 'unreachable', detail: 'connection refused' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'connection refused',
  },
  'network.timeout': {
    failure: { by: 'network', kind: 'timeout', detail: 'no byte for 60 s' },
    stream: 'connection-timeout',
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'no byte for 60 s',
  },
  'network.tls': {
    failure: { by: 'network', kind: 'tls', detail: 'handshake failure' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'handshake failure',
  },
  'network.http': {
    failure: { by: 'network', kind: 'http', detail: 'HTTP 503', status: 503 },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'HTTP 503',
  },
  'network.closed': {
    failure: { by: 'network', kind: 'closed', detail: 'connection lost' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'next',
    text: 'connection lost',
  },
  'us.shutdown': {
    failure: { by: 'us', kind: 'shutdown', detail: 'stopping' },
    stream: 'system-shutdown',
    stanza: 'remote-server-timeout',
    retry: 'never',
    text: 'stopping',
  },
  'us.gone': {
    failure: { by: 'us', kind: 'gone', detail: 'this domain is no longer served here' },
    stream: 'host-gone',
    stanza: 'service-unavailable',
    retry: 'never',
    text: 'this domain is no longer served here',
  },
  'us.idle': {
    failure: { by: 'us', kind: 'idle', detail: 'idle' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'later',
    text: 'idle',
  },
  'us.overload': {
    failure: { by: 'us', kind: 'overload', detail: 'queue full' },
    stream: 'resource-constraint',
    stanza: 'resource-constraint',
    retry: 'later',
    text: 'queue full',
  },
  'us.policy': {
    failure: { by: 'us', kind: 'policy', detail: 'not allowed here' },
    stream: 'policy-violation',
    stanza: 'policy-violation',
    retry: 'later',
    text: 'not allowed here',
  },
  'us.aborted': {
    failure: { by: 'us', kind: 'aborted', detail: 'given up' },
    stream: null,
    stanza: 'remote-server-timeout',
    retry: 'never',
    text: 'given up',
  },
  'us.internal': {
    failure: { by: 'us', kind: 'internal', detail: 'x is undefined at secret.ts:1' },
    stream: 'internal-server-error',
    stanza: 'internal-server-error',
    retry: 'later',
    text: 'x is undefined at secret.ts:1',
  },
}

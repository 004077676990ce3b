export type { CloseCode, TlsFacts, Transport, TransportFacts, TransportHandler } from './transport.ts'

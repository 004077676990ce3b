export type {
  PeerLimits,
  StreamInput,
  StreamOutput,
  StreamProgress,
  StreamTimer,
  TransportPolicy,
} from './machine.ts'
export type { PeerProof } from './proof.ts'

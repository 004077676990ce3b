import type { Limits } from '../../src/index.ts'

/** All traffic comes from one address and one pair, as fast as it can: what protects from that is lifted. */
export const BENCH_LIMITS: Partial<Limits> = {
  inboundBytesPerSecond: Number.MAX_SAFE_INTEGER,
  inboundBurstBytes: Number.MAX_SAFE_INTEGER,
  newPerSecondPerAddress: 1e6,
  newBurstPerAddress: 1e6,
  unauthenticatedPerAddress: 10_000,
  unauthenticatedTotal: 10_000,
}

import type { Limits } from '../base/index.ts'

/** For streams from this machine: who is ours is no flood, and what slows it is the way out. */
export function localLimits(limits: Limits): Limits {
  return {
    ...limits,
    enableMs: limits.legEnableMs,
    inboundBytesPerSecond: UNLIMITED,
    inboundBurstBytes: UNLIMITED,
  }
}

const UNLIMITED = Number.MAX_SAFE_INTEGER

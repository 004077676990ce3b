import type { Limits } from '../base/index.ts'
import type { HostMeta } from './link.ts'

/** No XRD is read before xml's scanner is there. */
export function readXrd(_bytes: Uint8Array, _limits: Limits): HostMeta | null {
  return null
}

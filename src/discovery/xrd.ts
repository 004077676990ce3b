import type { Limits } from '../base/index.ts'
import type { HostMeta } from './link.ts'

/** Written once xml's scanner is there: no XRD is read before. */
export function readXrd(_bytes: Uint8Array, _limits: Limits): HostMeta | null {
  return null
}

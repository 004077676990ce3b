import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

// The one impure file of this room. The walls test lets only composition roots and tests import it.

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(afterMs, action) {
    const handle = setTimeout(action, afterMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

export const systemRandom: Random = {
  bytes: length => randomBytes(length),
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
}

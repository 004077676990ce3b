import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Backoff } from '../../../src/federation/backoff.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { LONGEST, REFUSED } from '../../kit/scripted-network.ts'

const { retryMinMs, retryMaxMs, retryAfterMaxMs } = defaultLimits
const at = (unit: number) => ({ ...LONGEST, unit: () => unit })
const later = (retryAfterMs: number): Failure => ({
  by: 'network',
  kind: 'http',
  detail: 'HTTP 503',
  status: 503,
  retryAfterMs,
})

describe('back-off', () => {
  it('has full jitter below a ceiling that doubles, up to its end', () => {
    for (const unit of [0, 0.25, 0.999]) {
      const backoff = new Backoff(defaultLimits, at(unit))
      for (let failures = 0; failures < 2_000; failures++) {
        const ceiling = Math.min(retryMaxMs, retryMinMs * 2 ** failures)
        expect(backoff.next(REFUSED)).toBe(unit * ceiling)
      }
    }
  })

  it('begins anew after a success', () => {
    const backoff = new Backoff(defaultLimits, at(1))
    for (let failures = 0; failures < 5; failures++) backoff.next(null)
    expect(backoff.isFresh).toBe(false)
    backoff.reset()
    expect(backoff.isFresh).toBe(true)
    expect(backoff.next(null)).toBe(retryMinMs)
  })

  it('waits at least as long as it was asked to, within reason', () => {
    expect(new Backoff(defaultLimits, at(0)).next(later(7_000))).toBe(7_000)
    expect(new Backoff(defaultLimits, at(0)).next(later(1e15))).toBe(retryAfterMaxMs)
    expect(new Backoff(defaultLimits, at(1)).next(later(1))).toBe(retryMinMs)
  })
})

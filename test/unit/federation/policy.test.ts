import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { LegPolicy, legLimits, TO_PEERS } from '../../../src/federation/policy.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { CAPULET, CUT, MONTAGUE, REFUSED } from '../../kit/scripted-network.ts'

const UNKNOWN: Failure = { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' }
const STOPS: Failure = { by: 'peer', kind: 'reported', condition: 'system-shutdown', detail: '' }
const CLOSED: Failure = { by: 'peer', kind: 'closed', detail: '' }
const STRANGER: Failure = { by: 'peer', kind: 'unauthenticated', detail: 'not-authorized' }

let clock: VirtualClock
let policy: LegPolicy

beforeEach(() => {
  clock = new VirtualClock()
  policy = new LegPolicy(defaultLimits, clock)
})

describe('towards other domains', () => {
  it.each([
    [REFUSED, 'bounce'],
    [STOPS, 'bounce'],
    [STRANGER, 'bounce'],
    [UNKNOWN, 'refuse'],
  ] as const)('%j: %s', (failure, after) => {
    expect(TO_PEERS.afterFailure(MONTAGUE, failure)).toBe(after)
  })
})

describe('towards servers of our own', () => {
  it.each([
    [REFUSED, 'hold'],
    [CUT, 'hold'],
    [STOPS, 'hold'],
    [CLOSED, 'hold'],
    [UNKNOWN, 'bounce'],
    [STRANGER, 'bounce'],
  ] as const)('%j: %s', (failure, after) => {
    expect(policy.afterFailure(CAPULET, failure)).toBe(after)
  })

  it('a server that is away is waited for, but not for ever, whoever asks', () => {
    expect(policy.afterFailure(CAPULET, REFUSED)).toBe('hold')
    clock.advance(defaultLimits.legAbsentMs - 1)
    expect(policy.afterFailure(CAPULET, REFUSED)).toBe('hold')
    clock.advance(1)
    expect(policy.afterFailure(CAPULET, REFUSED)).toBe('bounce')
    expect(policy.afterFailure(MONTAGUE, REFUSED)).toBe('hold')
    clock.advance(3_600_000)
    expect(policy.afterFailure(CAPULET, REFUSED)).toBe('bounce')
  })

  it.each([
    ['it comes back', () => policy.isUp(CAPULET)],
    ['it refuses something: it is there', () => policy.afterFailure(CAPULET, UNKNOWN)],
  ])('waits anew once %s', (_, appears) => {
    policy.afterFailure(CAPULET, REFUSED)
    clock.advance(defaultLimits.legAbsentMs)
    appears()
    expect(policy.afterFailure(CAPULET, REFUSED)).toBe('hold')
  })

  it('tries again soon, and waits as long as the policy says', () => {
    expect(legLimits(defaultLimits)).toEqual({
      ...defaultLimits,
      retryMinMs: defaultLimits.legRetryMinMs,
      retryMaxMs: defaultLimits.legRetryMaxMs,
      peerAbsentMs: 0,
    })
  })
})

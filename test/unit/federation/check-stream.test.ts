import { expect, it } from 'vitest'
import { goesBothWays } from '../../../src/federation/check-stream.ts'
import type { RouteState } from '../../../src/federation/route.ts'
import { PAIR } from '../../kit/scripted-network.ts'

it.each<[boolean, RouteState | null, boolean]>([
  [true, null, false],
  [true, 'open', false],
  [false, null, true],
  [false, 'waiting', true],
  // It would take the peer's stanzas from the one that is kept up.
  [false, 'open', false],
])('where peers can dial us: %s, and our own stream is %s: the walk asks for both ways: %s', (...given) => {
  const [isReachable, state, expected] = given
  const pool = { find: () => (state === null ? undefined : { state }) }
  expect(goesBothWays({ isReachable: () => isReachable, router: { pool } }, PAIR)).toBe(expected)
})

import { expect, it } from 'vitest'
import { CAPULET, initiating, proven, WEBSOCKET } from '../../kit/streams.ts'

it('an initiating stream is not begun with a proof of another domain', () => {
  expect(() => initiating(WEBSOCKET, { peer: proven(CAPULET) })).toThrow(TypeError)
})

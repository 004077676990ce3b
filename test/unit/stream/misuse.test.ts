import { describe, expect, it } from 'vitest'
import {
  CAPULET,
  initiating,
  inTheClear,
  MONTAGUE,
  proven,
  SECRETS,
  TCP,
  WEBSOCKET,
  WIRES,
} from '../../kit/streams.ts'

const clear = inTheClear(TCP).policy

describe('an initiating stream is not begun', () => {
  it('with a proof of another domain', () => {
    expect(() => initiating(WEBSOCKET, { peer: proven(CAPULET) })).toThrow(TypeError)
  })

  it.each(WIRES)('behind TLS without a proof, over $name', wire => {
    for (const peer of ['configured-address', 'by-starttls'] as const)
      for (const starttls of ['never', 'offered', 'required'] as const)
        expect(() => initiating(wire, { peer, starttls, dialback: SECRETS.capulet })).toThrow(TypeError)
  })

  it('with a configured address in place of TLS that is required, or with TLS to come that is not', () => {
    for (const [peer, starttls] of [
      ['configured-address', 'required'],
      ['by-starttls', 'offered'],
      ['by-starttls', 'never'],
    ] as const)
      expect(() => initiating(TCP, { policy: clear, peer, starttls })).toThrow(TypeError)
    expect(() => initiating(TCP, { policy: clear, peer: 'by-starttls' })).toThrow(TypeError)
    expect(() => initiating(TCP, { policy: clear, peer: proven(MONTAGUE) })).not.toThrow()
  })
})

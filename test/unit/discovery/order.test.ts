import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../src/base/system.ts'
import type { Link } from '../../../src/discovery/link.ts'
import { ordered } from '../../../src/discovery/order.ts'

const link = (url: string, priority: number, weight: number): Link => ({
  url,
  host: 'a.example',
  port: 443,
  addresses: null,
  servername: '',
  priority,
  weight,
})

function firsts(links: readonly Link[], runs: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let run = 0; run < runs; run++) {
    const url = ordered(links, systemRandom)[0]?.url ?? ''
    counts[url] = (counts[url] ?? 0) + 1
  }
  return counts
}

describe('the order of links', () => {
  it('keeps every link once, by priority, whatever the random numbers are', () => {
    const links = fc.array(fc.record({ priority: fc.integer({ min: 0, max: 3 }), weight: fc.nat(65_535) }), {
      maxLength: 16,
    })
    // The largest double below one as well.
    const units = fc.array(
      fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.constant(1 - 2 ** -53)),
    )
    fc.assert(
      fc.property(links, units, (given, numbers) => {
        const all = given.map(({ priority, weight }, n) => link(`wss://a.example/${n}`, priority, weight))
        let at = 0
        const random = { ...systemRandom, unit: () => numbers[at++ % (numbers.length || 1)] ?? 0 }
        const order = ordered(all, random)
        expect(new Set(order)).toEqual(new Set(all))
        expect(order).toHaveLength(all.length)
        const priorities = order.map(({ priority }) => priority)
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b))
      }),
    )
  })

  it('draws by weight, and sometimes one of weight 0', () => {
    const runs = 20_000
    const counts = firsts([link('0', 1, 0), link('1', 1, 9), link('3', 1, 30)], runs)
    // Of 40 draws one is the first's, nine and thirty the others'. Six standard deviations either way.
    const within = (url: string, probability: number) => {
      const deviation = Math.sqrt(runs * probability * (1 - probability))
      expect(Math.abs((counts[url] ?? 0) - runs * probability)).toBeLessThan(6 * deviation)
    }
    within('0', 1 / 40)
    within('1', 9 / 40)
    within('3', 30 / 40)
  })

  it('the draw reaches the sum itself (RFC 2782)', () => {
    const numbers = [0.1, 0.2, 0.9, 0]
    const random = { ...systemRandom, unit: () => numbers.shift() ?? 0 }
    expect(ordered([link('a', 1, 1), link('b', 1, 1)], random).map(({ url }) => url)).toEqual(['b', 'a'])
  })

  it('those without weights are equal', () => {
    const runs = 9_000
    const counts = firsts([link('a', 1, 0), link('b', 1, 0), link('c', 1, 0)], runs)
    for (const url of ['a', 'b', 'c']) {
      expect(counts[url]).toBeGreaterThan(runs / 3 - 6 * 45)
      expect(counts[url]).toBeLessThan(runs / 3 + 6 * 45)
    }
  })

  it('those without a priority come last', () => {
    const order = ordered([link('none', Number.POSITIVE_INFINITY, 0), link('last', 65_535, 0)], systemRandom)
    expect(order.map(({ url }) => url)).toEqual(['last', 'none'])
  })
})

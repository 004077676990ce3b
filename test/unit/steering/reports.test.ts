import { expect, it } from 'vitest'
import { Reports } from '../../../src/steering/reports.ts'
import { VirtualClock } from '../../kit/clock.ts'

it('a trouble is told once, and then now and then with its number', () => {
  const clock = new VirtualClock()
  const reports = new Reports(60_000, clock)
  const told: (readonly [string, number])[] = []
  const note = (trouble: string) => reports.note(trouble, count => told.push([trouble, count]))
  note('a')
  note('a')
  note('b')
  note('a')
  expect(told.splice(0)).toEqual([
    ['a', 1],
    ['b', 1],
  ])
  clock.advance(60_000)
  note('a')
  note('a')
  expect(told).toEqual([['a', 3]])
})

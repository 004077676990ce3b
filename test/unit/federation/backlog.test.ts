import { expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Backlog } from '../../../src/federation/backlog.ts'
import type { StanzaError } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { numbered } from '../../kit/scripted-network.ts'

const LATE: StanzaError = { condition: 'remote-server-timeout', text: 'late' }
const FULL: StanzaError = { condition: 'resource-constraint', text: 'full' }

function backlog(queueStanzas = 3) {
  const clock = new VirtualClock()
  const bounced: [string, string][] = []
  const reports: [string, number][] = []
  let rooms = 0
  const made = new Backlog({
    limits: { ...defaultLimits, queueStanzas },
    clock,
    total: { bytes: 0 },
    lateError: () => LATE,
    bounce: ({ id }, { condition }) => bounced.push([id, condition]),
    report: ({ condition }, count) => reports.push([condition, count]),
    onRoom: () => {
      rooms += 1
      made.roomMade()
    },
  })
  const push = (number: number) => made.push(numbered(number), null, () => FULL)
  return { made, clock, bounced, reports, push, rooms: () => rooms }
}

it('bounces each stanza when its own time is up, with one timer for all', () => {
  const { made, clock, bounced, push, rooms } = backlog()
  push(1)
  clock.advance(10_000)
  push(2)
  expect(clock.pending()).toBe(1)
  clock.advance(defaultLimits.queueAgeMs - 10_001)
  expect(bounced).toEqual([])
  clock.advance(1)
  expect([bounced, rooms(), made.size]).toEqual([[['1', 'remote-server-timeout']], 1, 1])
  clock.advance(10_000)
  expect(bounced.map(([id]) => id)).toEqual(['1', '2'])
  expect([rooms(), clock.pending()]).toEqual([2, 0])
})

it('looks again for what came after the one that it waited for has left otherwise', () => {
  const { made, clock, bounced, push } = backlog()
  push(1)
  clock.advance(30_000)
  made.shift()
  push(2)
  clock.advance(30_000)
  expect(bounced).toEqual([])
  clock.advance(30_000)
  expect(bounced).toEqual([['2', 'remote-server-timeout']])
})

it('reports an episode of refusals when it begins and when it ends', () => {
  const { made, reports, push } = backlog()
  for (let number = 1; number <= 3; number++) expect(push(number)).toBeNull()
  for (let number = 4; number <= 10; number++) expect(push(number)).toBe(FULL)
  expect(reports).toEqual([['resource-constraint', 1]])
  expect(made.isFull(null)).toBe(true)
  made.shift()
  expect(made.isFull(null)).toBe(true)
  made.roomMade()
  expect(reports).toEqual([
    ['resource-constraint', 1],
    ['resource-constraint', 6],
  ])
  expect(made.isFull(null)).toBe(false)
  made.roomMade()
  expect(reports).toHaveLength(2)
})

it('bounces everything at once, in order, and reports it once', () => {
  const { made, bounced, reports, push } = backlog()
  made.bounceAll(LATE)
  expect(reports).toEqual([])
  for (let number = 1; number <= 3; number++) push(number)
  made.bounceAll(LATE)
  expect(bounced.map(([id]) => id)).toEqual(['1', '2', '3'])
  expect(reports).toEqual([['remote-server-timeout', 3]])
  expect(made.size).toBe(0)
})

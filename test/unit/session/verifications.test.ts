import { expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Verifications } from '../../../src/session/verifications.ts'
import type { DialbackOutcome, Verification } from '../../../src/stream/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { CAPULET, MONTAGUE } from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

// A machine takes an answer that it does not wait for as nothing; nor is it given any.

const VALID: DialbackOutcome = { type: 'valid', evidence: 'its own server' }
const key = (key: string): Verification => ({
  pair: { local: MONTAGUE, remote: CAPULET },
  from: CAPULET,
  to: MONTAGUE,
  id: 's1',
  key,
})

function verifications() {
  const clock = new VirtualClock()
  const resolves: ((outcome: DialbackOutcome) => void)[] = []
  const answers: [string, DialbackOutcome['type']][] = []
  const all = new Verifications({
    verify: () => new Promise(resolve => resolves.push(resolve)),
    limits: defaultLimits,
    clock,
    onAnswer: (verification, { type }) => void answers.push([verification.key, type]),
  })
  return { clock, resolves, answers, all }
}

it('each key has one answer: its own, or in time the one that there is none', async () => {
  const { clock, resolves, answers, all } = verifications()
  all.ask(key('one'))
  all.ask(key('two'))
  await turns()
  resolves[1]?.(VALID)
  await turns()
  expect(answers).toEqual([['two', 'valid']])
  clock.advance(defaultLimits.dialbackMs)
  resolves[0]?.(VALID)
  await turns()
  expect(answers).toEqual([
    ['two', 'valid'],
    ['one', 'error'],
  ])
  expect(clock.pending()).toBe(0)
})

it('none once they are given up, and further ones as before', async () => {
  const { clock, resolves, answers, all } = verifications()
  all.ask(key('one'))
  await turns()
  all.giveUp()
  expect(clock.pending()).toBe(0)
  all.ask(key('two'))
  await turns()
  for (const resolve of resolves) resolve(VALID)
  await turns()
  expect(answers).toEqual([['two', 'valid']])
})

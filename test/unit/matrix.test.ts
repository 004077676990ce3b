import { describe, expect, it } from 'vitest'
import { idsOf, makeMatrix, type Register, readRegister } from '../kit/matrix.ts'

const item = (id: string, priority = 'P0', level = 'MUST') => ({
  id,
  section: 'A',
  level,
  priority,
  source: '',
  text: 'x',
})

const register = (waivers: Register['waivers'] = []): Register => ({
  items: [item('WS-01'), item('WS-02', 'P1', 'REC'), item('WS-03')],
  waivers,
  built: new Set(['WS-01', 'WS-02', 'WS-03']),
})

describe('the conformance matrix', () => {
  it('reads ids from the start of a title only', () => {
    expect(idsOf('[WS-01 SE-30] something')).toEqual(['WS-01', 'SE-30'])
    expect(idsOf('something [WS-01]')).toEqual([])
    expect(idsOf('[note] something')).toEqual([])
  })

  it('reports a required item without test or waiver, and a failing one', () => {
    const matrix = makeMatrix(register(), [{ title: '[WS-03] x', state: 'failed' }])
    expect(matrix.problems).toHaveLength(2)
    expect(matrix.problems[0]).toContain('WS-01')
    expect(matrix.problems[1]).toContain('WS-03')
  })

  it('does not count a skipped test', () => {
    expect(makeMatrix(register(), [{ title: '[WS-01] x', state: 'skipped' }]).problems).toHaveLength(2)
  })

  it('reports an unknown id, a stale waiver, and a waiver without reason', () => {
    const matrix = makeMatrix(
      register([
        { id: 'WS-01', reason: 'the item cannot be reached from outside' },
        { id: 'WS-03', reason: 'no' },
      ]),
      [
        { title: '[WS-99] x', state: 'passed' },
        { title: '[WS-01] x', state: 'passed' },
      ],
    )
    expect(matrix.problems).toHaveLength(3)
  })

  it('is content when each required item is tested or waived', () => {
    const matrix = makeMatrix(
      register([{ id: 'WS-03', reason: 'the item cannot be reached from outside' }]),
      [{ title: '[WS-01] x', state: 'passed' }],
    )
    expect(matrix.problems).toEqual([])
    expect(matrix.required).toEqual({ total: 2, tested: 1, waived: 1, p0: 2, p0Tested: 1, p0Waived: 1 })
  })

  it('has the whole register and its scope', () => {
    const real = readRegister()
    expect(real.items).toHaveLength(291)
    expect(real.built.has('CT-23')).toBe(true)
    expect(real.built.has('CT-30')).toBe(true)
    expect(real.built.has('CT-40')).toBe(false)
    expect(real.built.has('DS-40')).toBe(false)
    expect(real.built.has('DB-01')).toBe(true)
    expect(real.built.has('DB-43')).toBe(false)
  })
})

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { fitConnections, openFilesLimit } from '../../../src/gateway/descriptors.ts'

const table = (soft: string) => () =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             94000                94000                processes
Max open files            ${soft}                 1048576              files
`

describe('openFilesLimit', () => {
  it.each([
    ['256', 256],
    ['unlimited', null],
  ])('%s', (soft, limit) => expect(openFilesLimit(table(soft))).toBe(limit))

  it('is not known where nothing says so', () => {
    const missing = () => {
      throw new Error('ENOENT')
    }
    expect(openFilesLimit(missing)).toBeNull()
  })
})

describe('fitConnections', () => {
  it('leaves what fits', () => {
    for (const openFiles of [null, 1_048_576])
      expect(fitConnections(defaultLimits, openFiles)).toEqual({ limits: defaultLimits, warning: null })
  })

  it('leaves half for everything else, and half of it to peers, and says so', () => {
    const { limits, warning } = fitConnections(defaultLimits, 1_024)
    expect(limits).toEqual({ ...defaultLimits, connections: 512, unauthenticatedTotal: 256 })
    expect(warning).toBe(
      'connections is 10000, but this process may open 1024 files: 512 it is (LimitNOFILE, ulimit -n)',
    )
  })
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import type { Config } from '../../../src/gateway/config/config.ts'
import type { Loaded } from '../../../src/gateway/config/load.ts'
import { error, warning } from '../../../src/gateway/config/problem.ts'
import { fixedKeys, Reload } from '../../../src/gateway/reload.ts'
import { VirtualClock } from '../../kit/clock.ts'

let folder: string
let told: string[]
let loaded: () => Loaded
let become: () => Promise<void>
let clock: VirtualClock
let reload: Reload

const config = { path: 'isthmus.toml' } as Config
const path = () => join(folder, 'isthmus.toml')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-reload-'))
  writeFileSync(path(), 'one')
  told = []
  loaded = () => ({ ok: true, config, warnings: [warning('listen', 'much', 'little', '')] })
  become = async () => void told.push('in force')
  clock = new VirtualClock()
  reload = new Reload({
    path: path(),
    load: () => loaded(),
    become: () => become(),
    onWarning: detail => told.push(`warning ${detail}`),
    onProblem: detail => told.push(`problem ${detail}`),
    limits: defaultLimits,
    clock,
  })
})
afterEach(() => {
  reload.close()
  rmSync(folder, { recursive: true })
})

describe('Reload', () => {
  it('puts what it reads in force, warnings first', async () => {
    await reload.now()
    expect(told).toEqual(['warning listen: expected much, got little', 'in force'])
  })

  it.each<[string, () => void, string]>([
    [
      'what is wrong with it',
      () => {
        const problems = [error('domain[0].url', 'a URL', 'nothing', ''), error('', 'TOML', 'a tree', '')]
        loaded = () => ({ ok: false, problems })
      },
      'problem domain[0].url: expected a URL, got nothing; expected TOML, got a tree',
    ],
    [
      'why it cannot be put in force',
      () => {
        become = () => Promise.reject(new Error('the address is taken'))
      },
      'problem the address is taken',
    ],
    [
      'a defect of reading',
      () => {
        loaded = () => {
          throw new Error('what a text')
        }
      },
      'problem what a text',
    ],
  ])('says %s, and goes on', async (_, spoil, expected) => {
    const [well, works] = [loaded, become]
    spoil()
    await reload.now()
    expect(told.at(-1)).toBe(expected)
    loaded = well
    become = works
    await reload.now()
    expect(told.at(-1)).toBe('in force')
  })

  it('one after the other', async () => {
    let finish = () => {}
    become = () =>
      new Promise(resolve => {
        told.push('begins')
        finish = resolve
      })
    const first = reload.now()
    const second = reload.now()
    await Promise.resolve()
    expect(told.filter(what => what === 'begins')).toHaveLength(1)
    finish()
    await first
    await Promise.resolve()
    finish()
    await second
    expect(told.filter(what => what === 'begins')).toHaveLength(2)
  })

  it('looks from time to time whether the file has changed, and after its end never', async () => {
    clock.advance(defaultLimits.certificatePollMs)
    expect(told).toEqual([])
    writeFileSync(path(), 'two')
    clock.advance(defaultLimits.certificatePollMs)
    clock.advance(defaultLimits.certificatePollMs)
    await reload.now()
    expect(told.filter(what => what === 'in force')).toHaveLength(2)
    reload.close()
    await reload.now()
    expect(told.filter(what => what === 'in force')).toHaveLength(2)
  })
})

describe('fixedKeys', () => {
  it('are named as the file names them', () => {
    const before = { bidi: null, dialbackSecret: 'a', endpoints: [], domains: [] } as unknown as Config
    const next = { ...before, dialbackSecret: 'b', endpoints: [{}], domains: [{}] } as unknown as Config
    expect(fixedKeys(before, next)).toEqual(['dialback_secret', 'endpoint'])
    expect(fixedKeys(before, { ...before })).toEqual([])
  })
})

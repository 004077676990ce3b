import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import { FileWatch } from '../../../src/gateway/file-watch.ts'

let folder: string
let looks: number
let watching: FileWatch

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-watch-'))
  mkdirSync(join(folder, '1'))
  mkdirSync(join(folder, '2'))
  for (const name of ['c.pem', 'log', '1/link.pem', '2/link.pem']) writeFileSync(join(folder, name), name)
  symlinkSync('1', join(folder, '..data'))
  symlinkSync('..data/link.pem', join(folder, 'link.pem'))
  looks = 0
  watching = new FileWatch({
    files: [join(folder, 'c.pem'), join(folder, 'link.pem')],
    limits: { ...defaultLimits, certificateSettleMs: 50 },
    clock: systemClock,
    onLook: () => {
      looks += 1
    },
  })
})
afterEach(() => {
  watching.close()
  rmSync(folder, { recursive: true })
})

const hasLooked = async () => {
  for (const deadlineMs = Date.now() + 2_000; looks === 0 && Date.now() < deadlineMs; ) await sleep(5)
  return looks > 0
}

it('looks where a file is written, although another one of the folder is written without end, as a log is', async () => {
  const writing = setInterval(() => appendFileSync(join(folder, 'log'), 'a line\n'), 5)
  writeFileSync(join(folder, 'c.pem'), 'another')
  const looked = await hasLooked()
  clearInterval(writing)
  expect(looked).toBe(true)
})

it('does not look where another one is written', async () => {
  appendFileSync(join(folder, 'log'), 'a line\n')
  await sleep(200)
  expect(looks).toBe(0)
})

it('looks where what a link leads to is swapped, as secrets of a cluster are', async () => {
  symlinkSync('2', join(folder, '..data.new'))
  renameSync(join(folder, '..data.new'), join(folder, '..data'))
  expect(await hasLooked()).toBe(true)
})

import { expect, it } from 'vitest'
import { Batch } from '../../../src/transport/batch.ts'

it('gives what was added as one piece, in order, and is empty then', () => {
  const batch = new Batch()
  for (const piece of [Buffer.from('one '), 'zwölf ', Buffer.from('three')]) batch.add(piece)
  expect(batch.bytes).toBe(16)
  expect(Buffer.from(batch.take()).toString()).toBe('one zwölf three')
  expect(batch.bytes).toBe(0)
  batch.add('next')
  expect(Buffer.from(batch.take()).toString()).toBe('next')
})

it('copies no piece that is alone', () => {
  const batch = new Batch()
  const piece = Buffer.from('alone')
  batch.add(piece)
  expect(batch.take()).toBe(piece)
})

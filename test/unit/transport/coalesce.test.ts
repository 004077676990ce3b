import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { coalesce } from '../../../src/transport/coalesce.ts'

/** What reaches the runtime, and in how many pieces. */
class Recording extends Duplex {
  readonly pieces: string[] = []

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.pieces.push(chunk.toString())
    callback()
  }
}

it('what is written while a socket is corked goes out as one piece, in order, and everybody is called back', () => {
  const socket = new Recording({ decodeStrings: false })
  coalesce(socket)
  let calledBack = 0
  socket.cork()
  for (const chunk of [Buffer.from('one '), 'zwölf ', Buffer.from('three')])
    socket.write(chunk, () => {
      calledBack += 1
    })
  socket.write('c3bc', 'hex')
  expect(socket.pieces).toEqual([])
  socket.uncork()
  expect(socket.pieces).toEqual(['one zwölf threeü'])
  socket.write('alone')
  expect(socket.pieces).toEqual(['one zwölf threeü', 'alone'])
  return new Promise<void>(resolve => {
    socket.end(() => {
      expect(calledBack).toBe(3)
      resolve()
    })
  })
})

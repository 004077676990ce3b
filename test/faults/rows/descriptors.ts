import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { bothWays } from '../course.ts'
import { tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

const OPEN_FILES = 256
/** so many connections come, and stay */
const CROWD = 600
const CROWD_MS = 2_000

export const descriptors: StagedRow = {
  name: 'descriptors',
  fault: `more connections than descriptors: ${CROWD} for a gateway that may open ${OPEN_FILES} files`,
  mustHold:
    'fewer are taken than it has descriptors, the others are counted, streams live on, accepting goes on',
  runs: 3,
  isFresh: true,
  stage: {
    openFiles: OPEN_FILES,
    // They all come from one address, whose own limits would hold long before.
    limits: {
      unauthenticated_per_address: 5_000,
      unauthenticated_total: 5_000,
      new_per_second_per_address: 5_000,
      new_burst_per_address: 5_000,
    },
  },
  run: stage =>
    tell({
      directions: bothWays(stage),
      beforeMs: 500,
      async fault() {
        const { gateway } = stage.montague
        const endedBefore = gateway.logged('stream:ended').length
        const refusedBefore = told(gateway.log())
        const crowd = Array.from({ length: CROWD }, () => stranger(gateway.port))
        await sleep(CROWD_MS)
        const openFiles = gateway.openFiles
        for (const socket of crowd) socket.destroy()
        await sleep(500)
        const isTaken = await greets(gateway.port)
        // What was held back of the log is summed up after a second.
        await sleep(1_500)
        const refused = told(gateway.log()) - refusedBefore
        const ended = gateway.logged('stream:ended').length - endedBefore
        return [
          ...(openFiles < OPEN_FILES ? [] : [`it has ${openFiles} files open`]),
          ...(refused >= CROWD - OPEN_FILES ? [] : [`${refused} refusals told`]),
          ...(ended === 0 ? [] : [`${ended} streams ended`]),
          ...(isTaken ? [] : ['nobody is taken afterwards']),
        ]
      },
      afterMs: 500,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, bounced: 0, duplicates: 0, order: 'kept' }),
}

function stranger(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  return socket
}

/** How many refusals the log tells of, one by one and summed up. */
function told(log: readonly Readonly<Record<string, unknown>>[]): number {
  return log.reduce((sum, line) => {
    if (line['event'] === 'connection:refused') return sum + 1
    const heldBack = line['heldBack']
    if (typeof heldBack !== 'object' || heldBack === null || !('connection refused' in heldBack)) return sum
    return sum + Number(heldBack['connection refused'])
  }, 0)
}

function greets(port: number): Promise<boolean> {
  return new Promise(done => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, timeout: 3_000 })
    const end = (isTaken: boolean) => {
      socket.destroy()
      done(isTaken)
    }
    socket.once('secureConnect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}

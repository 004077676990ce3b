import { setTimeout as sleep } from 'node:timers/promises'
import { between, bothWays } from '../course.ts'
import { cut, mend, part } from '../kit/network.ts'
import { tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

export const cuts: StagedRow = {
  name: 'cut',
  fault: 'cut of the TCP connection, random moment',
  mustHold: 'lost 0, duplicates 0, order kept, recovery < 2 s',
  runs: 100,
  isFresh: false,
  run: stage =>
    tell({
      directions: bothWays(stage),
      beforeMs: between(300, 1_300),
      async fault() {
        // Else all that was written has arrived: the way is shorter than the time between two messages.
        part(stage.ports)
        await sleep(between(0, 200))
        // What was dropped is not written again within the next milliseconds, and new connections are let through.
        mend()
        const sockets = cut(stage.ports)
        if (sockets === 0) throw new Error('the kernel has cut nothing')
        return []
      },
      afterMs: 1_500,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, duplicates: 0, order: 'kept', recoveryMs: 2_000 }),
}

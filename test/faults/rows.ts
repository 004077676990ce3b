import type { Row } from './row.ts'
import { clock } from './rows/clock.ts'
import { cuts } from './rows/cut.ts'
import { descriptors } from './rows/descriptors.ts'
import { delayedLoss, partition } from './rows/partition.ts'
import { rotation } from './rows/rotation.ts'
import { killedSenderManaged, killedSenderUnmanaged, killedServers } from './rows/scenarios.ts'
import { slowReader } from './rows/slow-reader.ts'
import { steady } from './rows/steady.ts'
import { killedReceiver, stopped, stoppedCrowd } from './rows/stop.ts'

/** In the order of the table. */
export const ROWS: readonly Row[] = [
  cuts,
  partition('partition-5s', 5_000, 1),
  partition('partition-40s', 40_000, 10),
  partition('partition-10min', 600_000, 40, 'told'),
  killedReceiver,
  killedSenderManaged,
  killedSenderUnmanaged,
  ...killedServers,
  stopped,
  stoppedCrowd,
  rotation,
  slowReader,
  delayedLoss,
  descriptors,
  clock,
  steady,
]

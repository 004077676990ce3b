import { setTimeout as sleep } from 'node:timers/promises'
import { between } from '../course.ts'
import { connections } from '../kit/network.ts'
import { type Stage, tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

export const killedReceiver: StagedRow = {
  name: 'kill-receiver',
  fault: 'kill -9 of the receiving gateway',
  mustHold: 'lost 0; duplicates flagged',
  runs: 50,
  isFresh: true,
  run: stage =>
    tell({
      // What the other way is underway dies with the process: that is the row of the sending gateway.
      directions: [[stage.capulet, stage.montague]],
      beforeMs: between(500, 1_500),
      async fault() {
        await stage.montague.gateway.end('SIGKILL')
        await stage.montague.gateway.start()
        return []
      },
      afterMs: 1_500,
      settleMs: 40_000,
    }),
  violations: expecting({ lost: 0, duplicates: 'flagged' }),
}

const STOP_MS = 25_000

export const stopped: StagedRow = {
  name: 'sigterm',
  fault: 'SIGTERM of the receiving gateway with the streams of one pair, and its start',
  mustHold: 'lost 0, bounced 0, exit 0 in < 25 s',
  runs: 10,
  isFresh: true,
  run: stage => tell({ ...shared(stage), beforeMs: between(500, 1_500), fault: () => stopAndStart(stage) }),
  violations: expecting({ lost: 0, bounced: 0 }),
}

const STREAMS = 500
/** each name has spoken by then */
const ALL_SPOKEN_MS = 4_000
const ALL_HEARD_MS = 30_000

export const stoppedCrowd: StagedRow = {
  name: 'sigterm-500',
  fault: `SIGTERM with ${STREAMS} streams`,
  mustHold: 'lost 0, bounced 0, exit 0 in < 25 s',
  runs: 10,
  isFresh: true,
  stage: {
    also: STREAMS - 1,
    // All of them come from one address.
    limits: {
      unauthenticated_per_address: 5_000,
      new_per_second_per_address: 5_000,
      new_burst_per_address: 5_000,
    },
  },
  run: stage =>
    tell({
      ...shared(stage),
      beforeMs: ALL_SPOKEN_MS,
      async fault() {
        await allHeard(stage)
        const standing = connections(stage.montague.gateway.port)
        const found = await stopAndStart(stage)
        return standing >= STREAMS ? found : [`${standing} streams stood`, ...found]
      },
      afterMs: ALL_SPOKEN_MS,
    }),
  violations: expecting({ lost: 0, bounced: 0 }),
}

const shared = (stage: Stage) => ({
  // What goes the other way is the row of the sending gateway.
  directions: [[stage.capulet, stage.montague]] as const,
  afterMs: 1_500,
  settleMs: 40_000,
})

/** A first stream that does not stand yet is no stream: each name has been heard. */
async function allHeard({ montague }: Stage): Promise<void> {
  const deadlineMs = performance.now() + ALL_HEARD_MS
  const isHeard = () => new Set(montague.arrivals.map(({ number }) => number % STREAMS)).size === STREAMS
  while (!isHeard()) {
    if (performance.now() > deadlineMs) throw new Error(`not all of ${STREAMS} names are heard`)
    await sleep(100)
  }
}

/** @returns what must not be */
async function stopAndStart({ montague: { gateway } }: Stage): Promise<readonly string[]> {
  const startMs = performance.now()
  const code = await gateway.end('SIGTERM')
  const ms = performance.now() - startMs
  const own = gateway.logged('stopped')[0]
  await gateway.start()
  return [
    ...(code === 0 ? [] : [`exit code ${code}`]),
    ...(ms < STOP_MS ? [] : [`it took ${Math.round(ms)} ms to stop`]),
    ...(own === undefined ? ['no account in its log'] : []),
    ...['bounced', 'inDoubt', 'ambiguous', 'held', 'dropped']
      .filter(name => own !== undefined && own[name] !== 0)
      .map(name => `its own account: ${name} ${own?.[name]}`),
  ]
}

import { setTimeout as sleep } from 'node:timers/promises'
import { between, bothWays } from '../course.ts'
import { lose, mend, part } from '../kit/network.ts'
import { tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

/** Every duration that decides how a partition is lived through, divided. */
function shortened(by: number): Readonly<Record<string, string>> {
  const durationsMs = {
    ping_interval: 25_000,
    ping_jitter: 5_000,
    dead: 60_000,
    connect: 10_000,
    attempt: 60_000,
    send_max: 60_000,
    queue_age: 60_000,
    peer_absent: 30_000,
    resume: 300_000,
    retry_max: 300_000,
  }
  return Object.fromEntries(Object.entries(durationsMs).map(([key, ms]) => [key, `${Math.round(ms / by)}ms`]))
}

/** @param inDoubt see Expectation: it lasts longer than a lost stream can be resumed, so that nothing can say what had come */
export function partition(name: string, lengthMs: number, by: number, inDoubt?: 'told'): StagedRow {
  const shown = lengthMs >= 60_000 ? `${lengthMs / 60_000} min` : `${lengthMs / 1_000} s`
  return {
    name,
    fault: `partition ${shown}`,
    mustHold:
      inDoubt === undefined
        ? 'lost 0; past the age of the queue: bounced once, with a text'
        : 'lost 0; past the age of the queue: bounced once, with a text; what was under way: told once, as in doubt',
    runs: 10,
    ...(by === 1 ? {} : { clocks: `clocks of partition and limits divided by ${by}` }),
    stage: { limits: by === 1 ? {} : shortened(by) },
    isFresh: true,
    run: stage =>
      tell({
        directions: bothWays(stage),
        beforeMs: between(300, 800),
        async fault() {
          part(stage.ports)
          try {
            await sleep(lengthMs / by)
          } finally {
            mend()
          }
          return []
        },
        afterMs: 1_000,
        settleMs: 40_000,
      }),
    violations: expecting({
      lost: 0,
      duplicates: 'flagged',
      ...(inDoubt === undefined ? {} : { inDoubt }),
    }),
  }
}

export const delayedLoss: StagedRow = {
  name: 'delay-loss',
  fault: '200 ms ± 100 delay, 2 % loss',
  mustHold: 'lost 0',
  runs: 3,
  isFresh: true,
  stage: { delay: { lowMs: 100, highMs: 300 } },
  run: stage =>
    tell({
      directions: bothWays(stage),
      beforeMs: 300,
      async fault() {
        lose(stage.ports)
        await sleep(5_000)
        mend()
        return []
      },
      afterMs: 1_000,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, duplicates: 0 }),
}

import { setTimeout as sleep } from 'node:timers/promises'
import { cut, mend, part } from './kit/network.ts'
import { type Direction, type Stage, tell } from './kit/stage.ts'
import { expecting, type Row } from './row.ts'

const bothWays = ({ capulet, montague }: Stage): readonly Direction[] => [
  [capulet, montague],
  [montague, capulet],
]
const between = (lowMs: number, highMs: number) => lowMs + Math.random() * (highMs - lowMs)

const cuts: Row = {
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
        const sockets = stage.ports.reduce((sum, port) => sum + cut(port), 0)
        if (sockets === 0) throw new Error('the kernel has cut nothing')
      },
      afterMs: 1_500,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, duplicates: 0, order: 'kept', recoveryMs: 2_000 }),
}

const killedReceiver: Row = {
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
      },
      afterMs: 1_500,
      settleMs: 40_000,
    }),
  violations: expecting({ lost: 0, duplicates: 'flagged' }),
}

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

function partition(name: string, lengthMs: number, by: number): Row {
  const shown = lengthMs >= 60_000 ? `${lengthMs / 60_000} min` : `${lengthMs / 1_000} s`
  return {
    name,
    fault: `partition ${shown}`,
    mustHold: 'lost 0; past the age of the queue: bounced once, with a text',
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
        },
        afterMs: 1_000,
        settleMs: 40_000,
      }),
    violations: expecting({ lost: 0, duplicates: 'flagged' }),
  }
}

/** In the order of the table. */
export const ROWS: readonly Row[] = [
  cuts,
  partition('partition-5s', 5_000, 1),
  partition('partition-40s', 40_000, 10),
  partition('partition-10min', 600_000, 40),
  killedReceiver,
]

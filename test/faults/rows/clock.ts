import { setTimeout as sleep } from 'node:timers/promises'
import { bothWays } from '../course.ts'
import type { Gateway } from '../kit/gateway.ts'
import { cut } from '../kit/network.ts'
import { type Stage, tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

const WATCHED_MS = 1_500
/** beside what the same traffic costs anyhow */
const STORM_MS = 500

const STEPS = [
  { offset: '-1y', reason: 'not-yet-valid' },
  { offset: '+1y', reason: 'expired' },
] as const

export const clock: StagedRow = {
  name: 'clock',
  fault: 'clock stepped by -1 year, +1 year; the connection cut under each',
  mustHold: 'lost 0; no timer storm, streams stay, certificates judged by the clock with a clear log',
  runs: 3,
  isFresh: true,
  stage: { hasClock: true },
  run: stage =>
    tell({
      directions: bothWays(stage),
      beforeMs: 500,
      async fault() {
        const { gateway } = stage.montague
        const found: string[] = []
        for (const { offset, reason } of STEPS) found.push(...(await step(stage, offset, reason)))
        gateway.stepClock('+0')
        return found
      },
      // Dials that have failed back off first.
      afterMs: 4_000,
      settleMs: 40_000,
    }),
  violations: expecting({ lost: 0, duplicates: 0, recoveryMs: 4_000 }),
}

async function step(stage: Stage, offset: string, reason: string): Promise<readonly string[]> {
  const { gateway } = stage.montague
  const usualMs = await cpuMs(gateway)
  const endedBefore = gateway.logged('stream:ended').length
  gateway.stepClock(offset)
  const steppedMs = await cpuMs(gateway)
  const ended = gateway.logged('stream:ended').length - endedBefore
  const judgedBefore = refusals(gateway, reason).length
  cut(stage.ports)
  await sleep(WATCHED_MS)
  const judged = refusals(gateway, reason).length - judgedBefore
  gateway.stepClock('+0')
  // The streams are back for the next step.
  await sleep(2_500)
  return [
    ...(steppedMs <= usualMs * 2 + STORM_MS
      ? []
      : [`${offset}: ${steppedMs} ms of CPU in ${WATCHED_MS} ms instead of ${usualMs}`]),
    ...(ended === 0 ? [] : [`${offset}: ${ended} streams ended`]),
    ...(judged > 0 ? [] : [`${offset}: no certificate was refused as ${reason}`]),
  ]
}

async function cpuMs(gateway: Gateway): Promise<number> {
  const before = gateway.cpuMs
  await sleep(WATCHED_MS)
  return gateway.cpuMs - before
}

const refusals = (gateway: Gateway, reason: string) =>
  gateway.logged('identity').filter(line => line['ok'] === false && line['reason'] === reason)

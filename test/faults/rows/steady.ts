import { setTimeout as sleep } from 'node:timers/promises'
import { bothWays } from '../course.ts'
import type { Gateway } from '../kit/gateway.ts'
import { cut } from '../kit/network.ts'
import { type Stage, tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

const MINUTES = 30
const PER_SECOND = 500
const CUT_EVERY_MS = 10_000
const SAMPLES_PER_CUT = 2
/** of resident memory; what garbage collection alone does to a line through half an hour is less */
const SLOPE_BYTES_PER_MINUTE = 512 * 1_024

interface Sample {
  readonly atMinutes: number
  readonly residentBytes: number
  readonly openFiles: number
}

export const steady: StagedRow = {
  name: 'steady',
  fault: `${MINUTES} minutes at ${PER_SECOND} stanzas/s each way, a cut every 10 s`,
  mustHold: 'lost 0, duplicates 0, order kept; neither memory nor descriptors slope',
  runs: 1,
  isFresh: true,
  notInCi: 'it takes half an hour',
  run(stage) {
    for (const party of [stage.capulet, stage.montague]) party.perSecond = PER_SECOND
    return tell({
      directions: bothWays(stage),
      beforeMs: 1_000,
      fault: () => goOn(stage),
      afterMs: 1_000,
      settleMs: 60_000,
    })
  },
  violations: expecting({ lost: 0, bounced: 0, duplicates: 0, order: 'kept' }),
}

async function goOn(stage: Stage): Promise<readonly string[]> {
  const gateways = [stage.capulet.gateway, stage.montague.gateway]
  const samples = new Map<Gateway, Sample[]>(gateways.map(gateway => [gateway, []]))
  const startMs = performance.now()
  const elapsedMinutes = () => (performance.now() - startMs) / 60_000
  while (elapsedMinutes() < MINUTES) {
    for (let count = 0; count < SAMPLES_PER_CUT; count++) {
      await sleep(CUT_EVERY_MS / SAMPLES_PER_CUT)
      for (const [gateway, taken] of samples) {
        const { residentBytes, openFiles } = gateway
        taken.push({ atMinutes: elapsedMinutes(), residentBytes, openFiles })
      }
    }
    cut(stage.ports)
  }
  return [...samples].flatMap(([{ domain }, taken]) => {
    // What a process grows to at first is no leak.
    const late = taken.slice(Math.floor(taken.length / 2))
    const bytes = slope(late, ({ residentBytes }) => residentBytes)
    const files = slope(late, ({ openFiles }) => openFiles)
    const mib = late.map(({ residentBytes }) => Math.round(residentBytes / 1_024 / 1_024))
    const figures = {
      kibPerMinute: Math.round(bytes / 1_024),
      filesPerMinute: Number(files.toFixed(2)),
      mib: [Math.min(...mib), Math.max(...mib)],
    }
    process.stdout.write(`steady: ${domain} ${JSON.stringify(figures)}\n`)
    return [
      ...(bytes < SLOPE_BYTES_PER_MINUTE
        ? []
        : [`${domain}: memory grows by ${figures.kibPerMinute} KiB a minute`]),
      ...(files < 0.5 ? [] : [`${domain}: ${figures.filesPerMinute} more open files a minute`]),
    ]
  })
}

/** Of the line through the samples that is nearest to all. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const middle = mean(samples.map(({ atMinutes }) => atMinutes))
  const level = mean(samples.map(of))
  const along = samples.reduce((sum, sample) => sum + (sample.atMinutes - middle) * (of(sample) - level), 0)
  const spread = samples.reduce((sum, { atMinutes }) => sum + (atMinutes - middle) ** 2, 0)
  return along / spread
}

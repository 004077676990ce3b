import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Told } from './kit/stage.ts'
import type { Row } from './row.ts'

/** One run, as it is kept: counts, where the account has numbers. */
export interface Result {
  readonly row: string
  readonly violations: readonly string[]
  readonly sent: number
  readonly delivered: number
  readonly bounced: number
  readonly lost: number
  readonly ambiguous: number
  readonly inDoubt: number
  readonly duplicates: number
  readonly reordered: number
  readonly detectionMs: number | null
  readonly recoveryMs: number | null
}

export function resultOf({ name }: Row, told: Told, violations: readonly string[]): Result {
  const sum = (of: (account: Told['accounts'][number]) => number) =>
    told.accounts.reduce((total, account) => total + of(account), 0)
  return {
    row: name,
    violations,
    sent: sum(({ sent }) => sent),
    delivered: sum(({ delivered }) => delivered),
    bounced: sum(({ bounced }) => bounced),
    lost: sum(({ lost }) => lost.length),
    ambiguous: sum(({ ambiguous }) => ambiguous.length),
    inDoubt: sum(({ inDoubt }) => inDoubt.length),
    duplicates: sum(({ duplicates }) => duplicates.length),
    reordered: sum(({ reordered }) => reordered.length),
    detectionMs: told.detectionMs,
    recoveryMs: told.recoveryMs,
  }
}

/** A run that could not be told: it counts as failed, and has sent nothing. */
export function brokenResult({ name }: Pick<Row, 'name'>, why: string): Result {
  const nothing = {
    sent: 0,
    delivered: 0,
    bounced: 0,
    lost: 0,
    ambiguous: 0,
    inDoubt: 0,
    duplicates: 0,
    reordered: 0,
  }
  return { row: name, violations: [why], ...nothing, detectionMs: null, recoveryMs: null }
}

/** What earlier parts have kept. */
export function readResults(file: string): Result[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

export function writeResults(file: string, results: readonly Result[]): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, `${JSON.stringify(results, null, 1)}\n`)
  renameSync(`${file}.new`, file)
}

/** The table, with the runs that there are. A row without runs says so. */
export function renderReport(rows: readonly Row[], results: readonly Result[]): string {
  const head =
    '| fault | must hold | runs | failed | sent | delivered | bounced | lost | ambiguous | inDoubt | duplicates | reordered | detection p50/max | recovery p50/max |'
  const lines = rows.map(row => {
    const own = results.filter(result => result.row === row.name)
    const sum = (of: (result: Result) => number) => own.reduce((total, result) => total + of(result), 0)
    const failed = own.filter(({ violations }) => violations.length > 0).length
    const cells = [
      row.clocks === undefined ? row.fault : `${row.fault} (${row.clocks})`,
      row.mustHold,
      `${own.length} of ${row.runs}`,
      failed,
      sum(({ sent }) => sent),
      sum(({ delivered }) => delivered),
      sum(({ bounced }) => bounced),
      sum(({ lost }) => lost),
      sum(({ ambiguous }) => ambiguous),
      sum(({ inDoubt }) => inDoubt),
      sum(({ duplicates }) => duplicates),
      sum(({ reordered }) => reordered),
      spread(own.map(({ detectionMs }) => detectionMs)),
      spread(own.map(({ recoveryMs }) => recoveryMs)),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return `${[head, `|${'---|'.repeat(14)}`, ...lines].join('\n')}\n`
}

function spread(times: readonly (number | null)[]): string {
  const known = times.filter(ms => ms !== null).sort((one, other) => one - other)
  const middle = known[Math.floor((known.length - 1) / 2)]
  const last = known.at(-1)
  return middle === undefined || last === undefined ? '-' : `${Math.round(middle)} / ${Math.round(last)} ms`
}

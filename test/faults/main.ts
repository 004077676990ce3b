import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openNamespace } from './kit/network.ts'
import { buildStage, type Stage } from './kit/stage.ts'
import { brokenResult, type Result, readResults, renderReport, resultOf, writeResults } from './results.ts'
import type { Row } from './row.ts'
import { ROWS } from './rows.ts'

// npm run test:faults -- [--row NAME]... [--runs N]: three runs of each row, or N. Ends with `N passed, N failed`, a run each.
// npm run soak -- the same, with the runs of the whole table, added to those of earlier parts. `--report` prints the
// table of all parts so far instead where neither row nor runs are given, and behind the runs otherwise.

const INSIDE = 'ISTHMUS_FAULTS_INSIDE'
const CI_RUNS = 3
const RESULTS = '.soak/results.json'

/** All of it runs in a network namespace of its own, in which packets are dropped and sockets are ended. */
function enter(): number {
  // Half an hour is two million messages to remember.
  const args = [
    '--net',
    process.execPath,
    '--max-old-space-size=6144',
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
  ]
  const { status, error } = spawnSync('unshare', args, {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: 'yes' },
  })
  if (error !== undefined) process.stderr.write(`no network namespace: ${error.message}\n`)
  return status ?? 1
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      row: { type: 'string', multiple: true },
      runs: { type: 'string' },
      soak: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
    },
  })
  const names = values.row ?? ROWS.map(({ name }) => name)
  const unknown = names.filter(name => !ROWS.some(row => row.name === name))
  const runs = values.runs === undefined ? null : Number(values.runs)
  if (unknown.length > 0 || (runs !== null && !(Number.isInteger(runs) && runs > 0))) {
    process.stderr.write(`--runs takes a number, --row one of ${ROWS.map(({ name }) => name).join(', ')}\n`)
    return 2
  }
  const reportOnly = values.report && values.row === undefined && runs === null
  if (!reportOnly && process.env[INSIDE] === undefined) return enter()
  const kept = values.soak ? readResults(RESULTS) : []
  if (reportOnly) {
    process.stdout.write(renderReport(ROWS, kept))
    return kept.some(({ violations }) => violations.length > 0) ? 1 : 0
  }

  openNamespace()
  const results: Result[] = []
  for (const row of ROWS.filter(({ name }) => names.includes(name))) {
    if (row.notInCi !== undefined && values.row === undefined && !values.soak) {
      process.stdout.write(`${row.name}: not run: ${row.notInCi}\n`)
      continue
    }
    await runRow(row, runs ?? (values.soak ? row.runs : CI_RUNS), result => {
      results.push(result)
      if (values.soak) writeResults(RESULTS, [...kept, ...results])
    })
  }
  if (values.report) process.stdout.write(renderReport(ROWS, [...kept, ...results]))
  const failed = results.filter(({ violations }) => violations.length > 0).length
  process.stdout.write(`\n${results.length - failed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

async function runRow(row: Row, runs: number, onResult: (result: Result) => void): Promise<void> {
  let stage: Stage | null = null
  for (let run = 1; run <= runs; run++) {
    let result: Result
    try {
      if ('runScenario' in row) result = await row.runScenario()
      else {
        stage ??= await buildStage(row.stage)
        const told = await row.run(stage)
        result = resultOf(row, told, row.violations(told))
      }
    } catch (error) {
      result = brokenResult(row, error instanceof Error ? error.message : String(error))
    }
    onResult(result)
    const hasFailed = result.violations.length > 0
    const { violations, row: _, ...figures } = result
    process.stdout.write(
      `${row.name} ${run}/${runs}: ${hasFailed ? 'FAILED' : 'ok'} ${JSON.stringify(figures)}\n`,
    )
    for (const violation of violations) process.stdout.write(`  ${violation}\n`)
    if (hasFailed && stage !== null) process.stdout.write(`  logs: ${stage.folder}\n`)
    if (hasFailed || !('isFresh' in row) || row.isFresh || run === runs) {
      await stage?.end(hasFailed)
      stage = null
    }
  }
}

process.exitCode = await main()

import { arch, availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { type Bench, type Measured, meets } from './bench.ts'
import { idle } from './idle.ts'
import { oneWay } from './one-way.ts'
import { scanner } from './scanner.ts'
import { setup } from './setup.ts'
import { renderTable } from './table.ts'

// npm run bench -- [--json] [NAME...]: measures, prints each figure beside its limit, exits 1 where one is missed.

const BENCHES: readonly Bench[] = [scanner, oneWay, setup, idle]
const DEADLINE_MS = 60_000

export interface Result {
  readonly bench: Bench
  readonly measured: Measured
  readonly ok: boolean
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const unknown = positionals.filter(name => BENCHES.every(bench => bench.name !== name))
  if (unknown.length > 0) {
    process.stderr.write(
      `no such bench: ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}\n`,
    )
    return 2
  }
  const chosen = BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const results: Result[] = []
  for (const bench of chosen) {
    const measured = await bench.run(AbortSignal.timeout(DEADLINE_MS))
    results.push({ bench, measured, ok: meets(measured.figure, bench.limit) })
  }
  const ok = results.every(result => result.ok)
  process.stdout.write(
    values.json ? `${JSON.stringify(report(results, ok), null, 2)}\n` : renderTable(results, machine()),
  )
  return ok ? 0 : 1
}

function report(results: readonly Result[], ok: boolean) {
  return {
    ok,
    machine: machine(),
    benches: results.map(({ bench, measured, ok }) => ({
      name: bench.name,
      ok,
      figure: measured.figure,
      unit: bench.unit,
      ...bench.limit,
      details: measured.details.map(([name, value, unit]) => ({ name, value, unit })),
    })),
  }
}

function machine() {
  const model = cpus()[0]?.model ?? 'unknown'
  return { node: process.version, platform: `${platform()} ${arch()}`, cpus: availableParallelism(), model }
}

process.exitCode = await main()

import { once } from 'node:events'
import { arch, availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { type Bench, type Measured, meets } from './bench.ts'
import { idle } from './idle.ts'
import { oneWay } from './one-way.ts'
import { relay, relayManaged } from './relay.ts'
import { scanner } from './scanner.ts'
import { setup } from './setup.ts'
import { setupByDialback } from './setup-dialback.ts'
import { renderTable } from './table.ts'

// npm run bench -- [--json] [--sm] [NAME...]: measures, prints each figure beside its limit, exits 1 where one is missed. A name is
// that of a bench or of a suite; without one it is the first suite.
// `relay --sm` compares the relay with stream management to itself without.

const FEDERATION = 'federation'
const SUITES: Readonly<Record<string, readonly Bench[]>> = {
  [FEDERATION]: [scanner, oneWay, setup, setupByDialback, idle],
  setup: [setup, setupByDialback],
  relay,
  'relay-sm': relayManaged,
}
const BENCHES = [...new Set(Object.values(SUITES).flat())]
const DEADLINE_MS = 60_000

export interface Result {
  readonly bench: Bench
  readonly measured: Measured
  readonly ok: boolean
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false }, sm: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const asked = positionals.length === 0 ? [FEDERATION] : positionals
  const names = values.sm ? asked.map(name => (name === 'relay' ? 'relay-sm' : name)) : asked
  const isAsked = ({ name }: Bench) =>
    names.includes(name) || names.some(asked => SUITES[asked]?.some(bench => bench.name === name))
  const known = [...new Set([...Object.keys(SUITES), ...BENCHES.map(({ name }) => name)])]
  const unknown = names.filter(name => !known.includes(name))
  if (unknown.length > 0) {
    process.stderr.write(`no such bench: ${unknown.join(', ')}; there are ${known.join(', ')}\n`)
    return 2
  }
  const chosen = BENCHES.filter(isAsked)
  const results: Result[] = []
  for (const bench of chosen) {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    const late = once(signal, 'abort').then(() => Promise.reject(new Error(`${bench.name} takes too long`)))
    const measured = await Promise.race([bench.run(signal), late])
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

import type { Limit } from './bench.ts'
import type { Result } from './main.ts'

/** The figures, each with its limit beside it, and below each what it was made of. */
export function renderTable(
  results: readonly Result[],
  machine: Readonly<Record<string, string | number>>,
): string {
  const rows = results.flatMap(({ bench, measured, ok }) => [
    [
      bench.name,
      bench.title,
      measured.figure === null ? 'not installed' : `${digits(measured.figure)} ${bench.unit}`,
      bench.limit === null ? '' : limitText(bench.limit),
      bench.limit === null ? 'yardstick' : ok ? 'ok' : 'MISSED',
    ],
    ...measured.details.map(([name, value, unit]) => ['', `  ${name}`, `${digits(value)} ${unit}`, '', '']),
  ])
  const table = [['bench', 'figure of', 'figure', 'limit', ''], ...rows]
  const widths = [0, 1, 2, 3, 4].map(column => Math.max(...table.map(row => row[column]?.length ?? 0)))
  const lines = table.map(row =>
    row
      .map((cell, column) =>
        column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const on = Object.entries(machine).map(([name, value]) => `${name} ${value}`)
  return `${lines.join('\n')}\n\n${on.join(', ')}\n`
}

function limitText(limit: Limit): string {
  const bound = 'atLeast' in limit ? `>= ${limit.atLeast}` : `<= ${limit.atMost}`
  return limit.goal === undefined ? bound : `${bound} (goal ${limit.goal})`
}

/** Three that count, no more: the rest is noise. */
function digits(value: number): string {
  const shown = { maximumSignificantDigits: 3, minimumSignificantDigits: 3 }
  return value
    .toLocaleString('en', value < 100 ? shown : { maximumSignificantDigits: 3 })
    .replaceAll(',', ' ')
}

import { printable } from '../printable.ts'

/** One thing wrong with a configuration. A warning does not keep the gateway from starting. */
export interface Problem {
  readonly severity: 'error' | 'warning'
  /** where, e.g. 'domain[0].url', or 'line 3, column 7' where the file is not TOML */
  readonly path: string
  readonly expected: string
  readonly got: string
  /** what to do about it; '' where nothing better can be said */
  readonly hint: string
}

export function error(path: string, expected: string, got: string, hint: string): Problem {
  return { severity: 'error', path, expected, got, hint }
}

export function warning(path: string, expected: string, got: string, hint: string): Problem {
  return { severity: 'warning', path, expected, got, hint }
}

/** Problems for a person, each on lines of its own. */
export function renderProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map(({ severity, path, expected, got, hint }) => {
      const lines = [
        `${file}: ${severity}${path === '' ? '' : ` at ${path}`}`,
        `  expected ${expected}`,
        `  got      ${got}`,
      ]
      if (hint !== '') lines.push(`  hint     ${hint}`)
      return `${lines.join('\n')}\n`
    })
    .join('')
}

/** 'domain[0].url', 'network.connect["montague.example:443"]' */
export function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z0-9_-]+$/.test(String(part))) text += text === '' ? String(part) : `.${String(part)}`
    else text += `[${JSON.stringify(printable(String(part)))}]`
  }
  return text
}

/** A value of the file as a problem shows it: short, printable, and never a private key. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') return textValue(value)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return `the date ${printable(String(value))}`
  if (typeof value === 'object' && value !== null) return 'a table'
  return printable(String(value))
}

function textValue(text: string): string {
  if (text.includes('PRIVATE KEY')) return '(a private key)'
  return JSON.stringify(printable(text))
}

/** The name of `names` that a mistyped `name` most likely meant; null where none is near. */
export function nearest(name: string, names: readonly string[]): string | null {
  const tolerated = Math.max(1, Math.floor(name.length / 3))
  let best: string | null = null
  let bestDistance = tolerated + 1
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(at(previous, j) + 1, at(current, j - 1) + 1, at(previous, j - 1) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, at(beforePrevious, j - 2) + 1)
      }
      current.push(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}

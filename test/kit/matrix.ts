import { readFileSync } from 'node:fs'

/** One requirement of the register (test/conformance/register.json). */
export interface Item {
  readonly id: string
  readonly section: string
  readonly level: string
  readonly priority: string
  readonly source: string
  readonly text: string
  /** a table row that another item's test walks through */
  readonly via?: string
  readonly decision?: string
}

export interface Waiver {
  readonly id: string
  readonly reason: string
}

export interface Register {
  readonly items: readonly Item[]
  readonly waivers: readonly Waiver[]
  /** ids of the part that is built: these must be proven */
  readonly built: ReadonlySet<string>
}

const json = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../conformance/${name}`, import.meta.url), 'utf8'))

export function readRegister(): Register {
  const items = json('register.json') as readonly Item[]
  const waivers = json('waivers.json') as readonly Waiver[]
  const scope = json('scope.json') as { built: Record<string, readonly string[]> }
  const built = new Set<string>()
  for (const item of items) {
    if (scope.built[item.section]?.some(pattern => matches(pattern, item.id))) built.add(item.id)
  }
  return { items, waivers, built }
}

/** 'WS-*' or 'CT-01..23' or 'CT-05' */
function matches(pattern: string, id: string): boolean {
  const [prefix = '', range = ''] = pattern.split('-')
  if (!id.startsWith(`${prefix}-`)) return false
  if (range === '*') return true
  const [from = '', to = from] = range.split('..')
  const number = Number.parseInt(id.slice(prefix.length + 1), 10)
  return number >= Number(from) && number <= Number(to)
}

/** '[WS-24 WS-23] an empty message …' -> ['WS-24', 'WS-23'] */
export function idsOf(title: string): readonly string[] {
  const match = /^\[([A-Z]{2}-\d+[a-z]?(?: [A-Z]{2}-\d+[a-z]?)*)\]/.exec(title)
  return match?.[1]?.split(' ') ?? []
}

export interface TestRow {
  readonly title: string
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending'
}

export interface Matrix {
  readonly rows: readonly {
    item: Item
    required: boolean
    tests: number
    failed: number
    waiver: string | null
  }[]
  /** each a sentence; empty when all is well */
  readonly problems: readonly string[]
  /** counts for the built part: required items by how they are covered */
  readonly required: {
    total: number
    tested: number
    waived: number
    p0: number
    p0Tested: number
    p0Waived: number
  }
}

/** Join register, waivers and test results. A required item is a MUST or P0 of the built part. */
export function makeMatrix(register: Register, tests: readonly TestRow[]): Matrix {
  const known = new Map(register.items.map(item => [item.id, item]))
  const waivers = new Map(register.waivers.map(waiver => [waiver.id, waiver.reason]))
  const problems: string[] = []
  const count = new Map<string, { tests: number; failed: number }>()
  for (const test of tests) {
    for (const id of idsOf(test.title)) {
      if (!known.has(id)) problems.push(`${id} is not in the register: "${test.title}"`)
      if (test.state === 'skipped' || test.state === 'pending') continue
      const entry = count.get(id) ?? { tests: 0, failed: 0 }
      entry.tests++
      if (test.state === 'failed') entry.failed++
      count.set(id, entry)
    }
  }
  const required = { total: 0, tested: 0, waived: 0, p0: 0, p0Tested: 0, p0Waived: 0 }
  const rows = register.items.map(item => {
    const own = count.get(item.id) ?? (item.via ? count.get(item.via) : undefined) ?? { tests: 0, failed: 0 }
    const waiver = waivers.get(item.id) ?? null
    const isRequired = register.built.has(item.id) && (item.priority === 'P0' || /MUST/.test(item.level))
    if (isRequired) {
      const tested = own.tests > 0 && own.failed === 0
      required.total++
      if (item.priority === 'P0') required.p0++
      if (tested) {
        required.tested++
        if (item.priority === 'P0') required.p0Tested++
      } else if (waiver) {
        required.waived++
        if (item.priority === 'P0') required.p0Waived++
      } else {
        problems.push(
          own.tests > 0
            ? `${item.id} (${item.priority}) has ${own.failed} failing test(s)`
            : `${item.id} (${item.level}, ${item.priority}) has neither test nor waiver: ${item.text}`,
        )
      }
    }
    if (waiver && own.tests > 0) problems.push(`${item.id} has a test and a waiver: drop the waiver`)
    return { item, required: isRequired, tests: own.tests, failed: own.failed, waiver }
  })
  for (const waiver of register.waivers) {
    if (!known.has(waiver.id)) problems.push(`a waiver for ${waiver.id}, which is not in the register`)
    if (waiver.reason.length < 20) problems.push(`the waiver for ${waiver.id} gives no reason`)
  }
  return { rows, problems, required }
}

/** The matrix as text, a line per item of the built part. */
export function formatMatrix(matrix: Matrix): string {
  const lines: string[] = []
  for (const row of matrix.rows) {
    if (!row.required && row.tests === 0 && row.waiver === null) continue
    const state = row.failed > 0 ? 'FAILED' : row.tests > 0 ? 'tested' : row.waiver ? 'waived' : 'MISSING'
    const tests = row.tests > 0 ? `${row.tests} test${row.tests === 1 ? '' : 's'}` : (row.waiver ?? '')
    const { id, level, priority } = row.item
    lines.push(`${id.padEnd(6)} ${priority.padEnd(2)} ${level.padEnd(12)} ${state.padEnd(8)} ${tests}`)
  }
  const { total, tested, waived, p0, p0Tested, p0Waived } = matrix.required
  lines.push(
    '',
    `required in the built part: ${total} items, ${tested} tested, ${waived} waived, ${total - tested - waived} open`,
    `of these P0: ${p0} items, ${p0Tested} tested, ${p0Waived} waived, ${p0 - p0Tested - p0Waived} open`,
  )
  return lines.join('\n')
}

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

// The walls of docs/ARCHITECTURE.md. `types` marks rooms of which only types may be imported.
const WALLS: Readonly<
  Record<string, { readonly rooms: readonly string[]; readonly types?: readonly string[] }>
> = {
  base: { rooms: [] },
  xml: { rooms: ['base'] },
  xmpp: { rooms: ['base', 'xml'] },
  framing: { rooms: ['base', 'xml', 'xmpp'] },
  identity: { rooms: ['base', 'xmpp'] },
  stream: { rooms: ['base', 'xml', 'xmpp', 'framing'], types: ['identity'] },
  transport: { rooms: ['base'] },
  discovery: { rooms: ['base', 'xml', 'xmpp', 'identity', 'transport'] },
  session: { rooms: ['base', 'xml', 'xmpp', 'framing', 'identity', 'stream', 'transport'] },
  federation: { rooms: ['base', 'xmpp', 'identity', 'stream', 'discovery', 'transport', 'session'] },
  hosts: {
    rooms: ['base', 'xml', 'xmpp', 'framing', 'identity', 'stream', 'transport', 'session'],
    types: ['federation'],
  },
  front: { rooms: ['base', 'xmpp', 'discovery', 'transport'] },
  steering: { rooms: ['base', 'xmpp'] },
  gateway: {
    rooms: [
      'base',
      'xml',
      'xmpp',
      'framing',
      'identity',
      'stream',
      'transport',
      'discovery',
      'session',
      'federation',
      'hosts',
      'front',
      'steering',
      'index',
    ],
  },
  cli: { rooms: ['base', 'xmpp', 'identity', 'gateway'] },
  // the library's composition root
  index: {
    rooms: [
      'base',
      'xml',
      'xmpp',
      'framing',
      'identity',
      'stream',
      'transport',
      'discovery',
      'session',
      'federation',
      'hosts',
      'front',
    ],
  },
}

const PURE_ROOMS = ['base', 'xml', 'xmpp', 'framing', 'identity', 'stream']

// A pure room takes clock, randomness and I/O as arguments.
const IMPURE = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bperformance\./,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bprocess\./,
]
const IMPURE_BASE_FILE = 'base/system.ts'
const COMPOSITION_ROOTS = ['index', 'gateway', 'cli']

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

const source = fileURLToPath(new URL('../../src', import.meta.url))

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function importsOf(text: string): Import[] {
  const imports: Import[] = []
  const statement = /^\s*(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?['"]([^'"]+)['"]/gm
  for (const match of text.matchAll(statement)) {
    const [, type, clause = '', specifier = ''] = match
    const names = /\{([^}]*)\}/.exec(clause)?.[1]
    const allNamesAreTypes =
      names !== undefined &&
      !/^\s*\w/.test(clause.replace(/\{[^}]*\}/, '')) &&
      names
        .split(',')
        .map(name => name.trim())
        .filter(name => name !== '')
        .every(name => name.startsWith('type '))
    imports.push({ specifier, typeOnly: type !== undefined || allNamesAreTypes })
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    imports.push({ specifier: match[1] ?? '', typeOnly: false })
  }
  return imports
}

function roomOf(path: string): string {
  const [first = ''] = path.split('/')
  return first.endsWith('.ts') ? first.slice(0, -3) : first
}

/** Problems of one file, given its path below src/ and its text. */
function problemsOf(path: string, text: string): string[] {
  const room = roomOf(path)
  const wall = WALLS[room]
  if (!wall) return [`${path}: no such room in the walls`]
  const problems: string[] = []
  for (const { specifier, typeOnly } of importsOf(text)) {
    if (!specifier.startsWith('.')) {
      if (PURE_ROOMS.includes(room) && path !== IMPURE_BASE_FILE) {
        const allowed =
          (room === 'identity' && specifier === 'node:crypto') ||
          (path === 'stream/dialback.ts' && specifier === 'node:crypto') ||
          (room === 'xmpp' && specifier === 'tr46')
        if (!allowed) problems.push(`${path}: a pure room imports ${specifier}`)
      }
      continue
    }
    const target = relative(source, resolve(dirname(join(source, path)), specifier))
    const targetRoom = roomOf(target)
    if (target === IMPURE_BASE_FILE && room !== 'base') {
      if (!COMPOSITION_ROOTS.includes(room))
        problems.push(`${path}: only a composition root binds the system clock`)
      continue
    }
    if (targetRoom === room) continue
    const allowed = wall.rooms.includes(targetRoom) || (typeOnly && wall.types?.includes(targetRoom))
    if (!allowed) problems.push(`${path}: ${room} may not import ${typeOnly ? 'types of ' : ''}${targetRoom}`)
    else if (target !== `${targetRoom}/index.ts` && target !== 'index.ts') {
      problems.push(`${path}: reaches into ${target}; import ${targetRoom}/index.ts`)
    }
  }
  if (PURE_ROOMS.includes(room) && path !== IMPURE_BASE_FILE) {
    for (const pattern of IMPURE) {
      if (pattern.test(withoutComments(text))) problems.push(`${path}: a pure room uses ${pattern.source}`)
    }
  }
  if (/\bMath\.random\b/.test(withoutComments(text)))
    problems.push(`${path}: Math.random is predictable; take Random`)
  return problems
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

describe('walls', () => {
  const files = filesBelow(source)

  it('every file imports only what its room may', () => {
    expect(files.length).toBeGreaterThan(30)
    const problems = files.flatMap(file => problemsOf(relative(source, file), readFileSync(file, 'utf8')))
    expect(problems).toEqual([])
  })

  it('are those of docs/ARCHITECTURE.md', () => {
    const document = readFileSync(
      fileURLToPath(new URL('../../docs/ARCHITECTURE.md', import.meta.url)),
      'utf8',
    )
    const block = /\n## Walls\n[^`]*(?:`[^`\n]+`[^`]*)*```\n([^`]+)```/.exec(document)?.[1] ?? ''
    const documented = Object.fromEntries(
      block
        .trim()
        .split('\n')
        .map(line => {
          const [room = '', ...others] = line.trim().split(/\s+/)
          return [room, others.filter(other => other !== '-').sort()]
        }),
    )
    const enforced = Object.fromEntries(
      Object.entries(WALLS).map(([room, { rooms, types = [] }]) => [
        room,
        [...rooms, ...types.map(other => `${other}(types)`)].sort(),
      ]),
    )
    expect(documented).toEqual(enforced)
  })

  it('notices each kind of breach', () => {
    expect(problemsOf('xml/a.ts', "import { x } from '../stream/index.ts'")).toHaveLength(1)
    expect(problemsOf('stream/a.ts', "import { judgePeer } from '../identity/index.ts'")).toHaveLength(1)
    expect(problemsOf('stream/a.ts', "import type { IdentityVerdict } from '../identity/index.ts'")).toEqual(
      [],
    )
    expect(problemsOf('stream/a.ts', "import { type A, type B } from '../identity/index.ts'")).toEqual([])
    expect(problemsOf('stream/a.ts', "import { type A, b } from '../identity/index.ts'")).toHaveLength(1)
    expect(problemsOf('session/a.ts', "import { x } from '../stream/machine.ts'")).toHaveLength(1)
    expect(problemsOf('session/a.ts', "import { systemClock } from '../base/system.ts'")).toHaveLength(1)
    expect(problemsOf('framing/a.ts', "import { readFile } from 'node:fs'")).toHaveLength(1)
    expect(problemsOf('identity/a.ts', 'const now = Date.now()')).toHaveLength(1)
    expect(problemsOf('session/a.ts', 'const x = Math.random()')).toHaveLength(1)
    expect(problemsOf('nowhere/a.ts', '')).toHaveLength(1)
    expect(problemsOf('cli/a.ts', "await import('../session/index.ts')")).toHaveLength(1)
  })
})

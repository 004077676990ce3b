import { z } from 'zod'
import { type Declaration, declarationOf } from './declarations.ts'
import { inner } from './parse.ts'
import { fileSchema } from './schema.ts'

/** docs/CONFIG.md, from the declarations. */
export function renderReference(): string {
  const parts = [REFERENCE_HEAD]
  for (const section of sections()) {
    const title = section.title === '' ? 'At the top of the file' : section.title
    parts.push(`${section.path.length > 1 ? '###' : '##'} ${title}\n\n${section.doc}\n`)
    parts.push('| key | value | default | |\n|---|---|---|---|')
    for (const { name, declaration, needed } of section.keys) {
      const { fallback: value } = declaration
      const fallback = value === undefined ? (needed ? 'needed' : '') : `\`${value}\``
      parts.push(`| \`${name}\` | ${cell(declaration.expected)} | ${fallback} | ${cell(declaration.doc)} |`)
    }
    parts.push('')
  }
  return `${parts.join('\n').trimEnd()}\n`
}

/** An annotated configuration to start from: what must be set is set, the rest is a comment that shows the default. */
export function renderSample(): string {
  const parts = [SAMPLE_HEAD]
  for (const section of sections()) {
    const hidden = section.rare
    parts.push('', ...wrapped(plain(section.doc)))
    if (section.title !== '') parts.push(`${hidden ? '# ' : ''}${section.title}`)
    for (const { name, declaration } of section.keys) {
      const { example, fallback, doc, rare } = declaration
      const line = `${name} = ${example ?? fallback ?? '""'}`
      if (section.path[0] === 'limits') parts.push(`# ${line}  # ${doc}`)
      else parts.push(...wrapped(plain(doc)), hidden || rare || example === undefined ? `# ${line}` : line)
    }
  }
  return `${parts.join('\n')}\n`
}

const REFERENCE_HEAD = `# Configuration

<!-- Made by \`npm run docs\` from the schemas in src/gateway/config/: edit there. -->

\`isthmus serve --config isthmus.toml\` reads one file in [TOML](https://toml.io).
\`isthmus config sample\` prints one to start from; \`isthmus config check FILE\` reports everything that is wrong with one.

- Names of files are relative to the configuration file.
- Durations and sizes are written with their unit: \`"30s"\`, \`"512KiB"\` (ms, s, m, h, d; B, KiB, MiB, GiB).
- \`\${NAME}\` in a text takes the value of an environment variable; \`$\${\` stands for \`\${\`.
- A key that is not listed here is an error.
- SIGHUP, or a change of the file, puts \`[[domain]]\` and \`[[proxy]]\` in force anew: a domain that is new is served, one that is
  gone is drained, and streams of the others stand. Everything else needs a restart, and so does a host that changes where its
  \`listen\` does not: then, and where anything is wrong, all stays as it was and the log says why (\`reload:failed\`).
`

const SAMPLE_HEAD = `# Isthmus: XMPP federation over WebSocket. Every key is in docs/CONFIG.md; check this file with
#   isthmus config check FILE
# Names of files are relative to this file. \${NAME} takes a value from the environment.`

interface Section {
  readonly path: readonly string[]
  /** '[limits]', '[[domain]]' or '[domain.server]'; '' of the keys before the first section */
  readonly title: string
  readonly doc: string
  /** the sample shows all of it as a comment */
  readonly rare: boolean
  readonly keys: readonly Key[]
}

interface Key {
  readonly name: string
  readonly declaration: Declaration
  /** there is neither a default nor a meaning of its absence */
  readonly needed: boolean
}

function sections(): Section[] {
  return sectionsAt([], fileSchema)
}

/** The section at `path`, and behind it the tables in it, which are sections of their own. */
function sectionsAt(path: readonly string[], schema: unknown): Section[] {
  const name = path.join('.')
  const container = inner(schema)
  const repeated = container instanceof z.ZodArray
  const table = repeated ? inner(container.element) : container
  if (!(table instanceof z.ZodObject)) throw new TypeError(`${name} is no section`)
  const { doc, rare = false } = declared(name, table)
  const entries = Object.entries(table.shape)
  const section: Section = {
    path,
    title: titleOf(name, repeated),
    doc,
    rare,
    keys: entries
      .filter(([, value]) => !isTable(value))
      .map(([key, value]) => ({
        name: key,
        declaration: declared([...path, key].join('.'), value),
        needed: inner(value) === value,
      })),
  }
  const tables = entries.filter(([, value]) => isTable(value))
  return [section, ...tables.flatMap(([key, value]) => sectionsAt([...path, key], value))]
}

/** Whether it is a section of its own: a table, or a list of tables. */
function isTable(schema: unknown): boolean {
  const container = inner(schema)
  return (container instanceof z.ZodArray ? inner(container.element) : container) instanceof z.ZodObject
}

function titleOf(name: string, repeated: boolean): string {
  if (name === '') return ''
  return repeated ? `[[${name}]]` : `[${name}]`
}

function declared(name: string, schema: unknown): Declaration {
  const declaration = schema instanceof z.ZodType ? declarationOf(schema) : undefined
  if (declaration === undefined) throw new TypeError(`${name} is not declared`)
  return declaration
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function plain(markdown: string): string {
  return markdown.replaceAll('`', '')
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  // No line begins with the name of a table: it would look like one.
  for (const word of text.split(/ (?!\[)/)) {
    if (line.length + word.length > 100) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  lines.push(line)
  return lines
}

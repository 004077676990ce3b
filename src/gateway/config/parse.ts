import { parse as parseToml, TomlError } from 'smol-toml'
import { z } from 'zod'
import { declarationOf } from './declarations.ts'
import { error, nearest, type Problem, pathText, valueText } from './problem.ts'
import { type ConfigFile, fileSchema } from './schema.ts'

export type Parsed =
  | { readonly ok: true; readonly file: ConfigFile }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Values for `${NAME}`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Read the text of a configuration file; looks at no other file. All problems come at once. */
export function parseConfig(text: string, environment: Environment): Parsed {
  let raw: unknown
  try {
    raw = parseToml(text)
  } catch (error) {
    if (error instanceof TomlError) return { ok: false, problems: [syntaxProblem(error)] }
    throw error
  }
  const filled = fillIn(raw, environment)
  const result = fileSchema.safeParse(filled.value)
  if (result.success && filled.problems.length === 0) return { ok: true, file: result.data }
  const unset = new Set(filled.problems.map(problem => problem.path))
  const others = result.success ? [] : result.error.issues.flatMap(issue => problemsOf(issue, raw))
  // What an unset variable left empty is no second problem.
  return { ok: false, problems: [...filled.problems, ...others.filter(problem => !unset.has(problem.path))] }
}

function syntaxProblem(error: TomlError): Problem {
  return {
    severity: 'error',
    path: `line ${error.line}, column ${error.column}`,
    expected: 'TOML',
    got: (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, ''),
    hint: '',
  }
}

// -- ${NAME} ----------------------------------------------------------------------------------------------------------

interface Filled {
  readonly value: unknown
  readonly problems: readonly Problem[]
}

/** `raw` with `${NAME}` in every text value replaced; `$${` stands for `${`. Keys stay as they are. */
function fillIn(raw: unknown, environment: Environment): Filled {
  const problems: Problem[] = []
  const visit = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (typeof value === 'string') return fillInText(value, path)
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]))
    if (!isTable(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
  }
  const fillInText = (value: string, path: readonly PropertyKey[]): string =>
    value.replace(/\$\$\{|\$\{([^}]*)\}/g, (found, name: string | undefined) => {
      if (name === undefined) return '${'
      const replacement = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (replacement !== undefined) return replacement
      problems.push({
        severity: 'error',
        path: pathText(path),
        expected: /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
          ? `the environment variable ${name}`
          : 'the name of an environment variable between the braces',
        got: valueText(value),
        hint: 'set it, or write $${ where ${ itself is meant',
      })
      return found
    })
  return { value: visit(raw, []), problems }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date)
}

// -- problems ---------------------------------------------------------------------------------------------------------

function problemsOf(issue: z.core.$ZodIssue, raw: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path)
    return issue.keys.map(key => unknownKey([...issue.path, key], key, known))
  }
  const where = pathText(issue.path)
  if (issue.code === 'invalid_key') {
    return issue.issues.map(cause =>
      error(where, 'HOST:PORT as the key', valueText(issue.path.at(-1)), hintOf(cause) ?? ''),
    )
  }
  const value = valueAt(raw, issue.path)
  const { expected, secret } = declarationOf(schemaAt(issue.path)) ?? { expected: 'a valid value' }
  const got = secret && value !== undefined && value !== '' ? '(a secret)' : valueText(value)
  return [error(where, expected, got, hintOf(issue) ?? hintFor(issue, value))]
}

/** The hint that the schema of a value gave itself. */
function hintOf(issue: z.core.$ZodIssue): string | undefined {
  const hint: unknown = issue.code === 'custom' ? issue.params?.['hint'] : undefined
  return typeof hint === 'string' ? hint : undefined
}

function unknownKey(path: readonly PropertyKey[], key: string, known: readonly string[]): Problem {
  const near = nearest(key, known)
  return {
    severity: 'error',
    path: pathText(path),
    expected: known.length > 16 ? 'a key of CONFIG.md' : `one of ${known.join(', ')}`,
    got: 'an unknown key',
    hint: near === null ? '' : `did you mean ${near}?`,
  }
}

function hintFor(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return 'this key is needed'
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const near = nearest(
      value,
      issue.values.filter(item => typeof item === 'string'),
    )
    return near === null ? '' : `did you mean ${JSON.stringify(near)}?`
  }
  if (issue.code === 'too_small') return 'name at least one'
  if (issue.code !== 'invalid_type') return ''
  if (issue.expected === 'array' && isTable(value)) return `write [[${String(issue.path.at(-1))}]]`
  if (issue.expected === 'array' && typeof value === 'string') return 'put it in brackets: ["…"]'
  return issue.expected === 'string' && typeof value === 'number'
    ? 'put it in quotes, with its unit where it has one'
    : ''
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw
  for (const part of path) {
    if (Array.isArray(value) && typeof part === 'number') value = value[part]
    else if (isTable(value) && Object.hasOwn(value, part)) value = value[String(part)]
    else return undefined
  }
  return value
}

function keysAt(path: readonly PropertyKey[]): string[] {
  const schema = inner(schemaAt(path))
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/** The declared schema of the value at `path`. */
function schemaAt(path: readonly PropertyKey[]): z.ZodType {
  let schema: z.ZodType = fileSchema
  for (const part of path) {
    const container = inner(schema)
    let next: unknown
    if (container instanceof z.ZodObject) next = container.shape[String(part)]
    else if (container instanceof z.ZodArray) next = container.element
    else if (container instanceof z.ZodRecord) next = container.valueType
    if (!(next instanceof z.ZodType)) return schema
    schema = declarationOf(next) === undefined ? inner(next) : next
  }
  return schema
}

/** The schema without default and optional. */
export function inner(schema: unknown): z.ZodType {
  let current = schema
  while (
    current instanceof z.ZodDefault ||
    current instanceof z.ZodPrefault ||
    current instanceof z.ZodOptional
  ) {
    current = current.unwrap()
  }
  if (current instanceof z.ZodType) return current
  throw new TypeError('a declaration is not a schema')
}

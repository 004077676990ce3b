import { z } from 'zod'

/** What is declared of a key or section beside its schema. CONFIG.md, the sample and problems are made from it. */
export interface Declaration {
  /** what the value is, for a person, e.g. 'a wss URL' */
  readonly expected: string
  /** what the key does; sentences */
  readonly doc: string
  /** the default as TOML; undefined: none */
  readonly fallback?: string
  /** a value as TOML, for the sample */
  readonly example?: string
  /** the sample shows the key or section as a comment */
  readonly rare?: boolean
  /** problems do not show the value */
  readonly secret?: boolean
}

export const declarations = z.registry<Declaration>()

export function declarationOf(schema: z.ZodType): Declaration | undefined {
  return declarations.get(schema)
}

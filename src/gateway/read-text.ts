import { readFileSync } from 'node:fs'

export type ReadText =
  | { readonly ok: true; readonly text: string }
  /** for a person: 'no such file' */
  | { readonly ok: false; readonly failure: string }

/** A file that somebody named: what is wrong with it is a value. */
export function readText(path: string): ReadText {
  try {
    return { ok: true, text: readFileSync(path, 'utf8') }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    return { ok: false, failure: failureOf(code) }
  }
}

function failureOf(code: unknown): string {
  switch (code) {
    case 'ENOENT':
      return 'no such file'
    case 'EACCES':
    case 'EPERM':
      return 'a file that may not be read'
    case 'EISDIR':
      return 'a directory'
    default:
      return typeof code === 'string' ? `an error (${code})` : 'an error'
  }
}

import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createTrustStore } from '../../identity/index.ts'
import { readText } from '../read-text.ts'
import type { PemFile } from './config.ts'
import { error, type Problem, pathText, warning } from './problem.ts'

/** Reads the files that a configuration names and notes what is wrong with them. */
export class ConfigFiles {
  readonly problems: Problem[] = []
  readonly #path: string

  /** @param path of the configuration, absolute */
  constructor(path: string) {
    this.#path = path
  }

  certificates(name: string, path: readonly PropertyKey[]): PemFile {
    const file = this.pem(name, path)
    if (file.pem === '') return file
    for (const problem of createTrustStore({ roots: [file.pem] }).problems) {
      this.error(path, 'certificates in PEM', problem.replace(/^trusted authority \d+: /, ''), '')
    }
    return file
  }

  /** '' as the text of a file that cannot be read, which is noted. */
  pem(name: string, path: readonly PropertyKey[]): PemFile {
    const absolute = this.absolute(name)
    const read = readText(absolute)
    if (!read.ok) this.error(path, 'a readable file', read.failure, absolute)
    else if (read.text === '') this.error(path, 'a file in PEM', 'an empty file', '')
    return { path: absolute, pem: read.ok ? read.text : '' }
  }

  permissions(file: string, path: readonly PropertyKey[]): void {
    const mode = statSync(file).mode & 0o777
    if (process.platform === 'win32' || (mode & 0o077) === 0) return
    const got = `mode ${mode.toString(8).padStart(4, '0')}`
    this.problems.push(warning(pathText(path), 'a file that only its owner reads', got, `chmod 600 ${file}`))
  }

  /** The absolute path of a unix socket that we make. */
  socket(name: string, path: readonly PropertyKey[]): string {
    const absolute = this.absolute(name)
    const bytes = Buffer.byteLength(absolute)
    if (bytes > UNIX_PATH_BYTES) {
      const expected = `a path of at most ${UNIX_PATH_BYTES} bytes`
      this.error(path, expected, `${bytes} bytes`, 'the system takes no longer name for a socket')
    }
    return absolute
  }

  /** Names are relative to the configuration. */
  absolute(name: string): string {
    return resolve(dirname(this.#path), name)
  }

  error(path: readonly PropertyKey[], expected: string, got: string, hint: string): void {
    this.problems.push(error(pathText(path), expected, got, hint))
  }
}

// What a unix socket's name may have, its final zero left out.
const UNIX_PATH_BYTES = 107

import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import { run } from '../../../src/cli/program.ts'

export interface Captured {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Run the command line in this process and keep what it says. */
export async function isthmus(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  answers: Readable | null = null,
): Promise<Captured> {
  const written = { out: '', err: '' }
  const into = (name: 'out' | 'err') => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const code = await run(args, {
    out: into('out'),
    err: into('err'),
    answers,
    environment,
    home: '/nonexistent',
    signals: new EventEmitter(),
  })
  return { code, ...written }
}

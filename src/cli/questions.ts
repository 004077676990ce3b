import { createInterface } from 'node:readline/promises'
import type { Readable } from 'node:stream'
import type { Output } from './io.ts'

/** Asks a person, one line an answer. */
export interface Questions {
  /**
   * Asks until the answer is one; an empty line stands for `fallback`.
   * @param read the answer's value, or what is wrong with it
   * @returns null: nobody answers any more
   */
  ask<T>(text: string, fallback: string, read: (answer: string) => Read<T>): Promise<T | null>
  close(): void
}

export type Read<T> = { readonly value: T } | { readonly wrong: string }

export function askAt(answers: Readable, out: Output): Questions {
  // The terminal itself shows what is typed.
  const lines = createInterface({ input: answers, terminal: false })
  const next = lines[Symbol.asyncIterator]()
  return {
    async ask(text, fallback, read) {
      for (;;) {
        out.write(`${text}${fallback === '' ? '' : ` [${fallback}]`}: `)
        const line = await next.next()
        if (line.done === true) {
          out.write('\n')
          return null
        }
        const answer = read(line.value.trim() || fallback)
        if ('value' in answer) return answer.value
        out.write(`${answer.wrong}\n`)
      }
    },
    close: () => lines.close(),
  }
}

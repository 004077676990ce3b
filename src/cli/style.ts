import { stripVTControlCharacters, styleText } from 'node:util'
import type { Io } from './io.ts'

export type Style = (
  format: 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan' | 'magenta',
  text: string,
) => string

/** Colour on a terminal only, and not where NO_COLOR asks for none. */
export function styleFor(io: Io): Style {
  const { NO_COLOR, TERM } = io.environment
  const colour = io.out.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb'
  // styleText would look at the process, which is not what we write to.
  return colour
    ? (format, text) => styleText(format, stripVTControlCharacters(text), { validateStream: false })
    : (_, text) => text
}

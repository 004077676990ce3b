import { LIMITS } from '../base/index.ts'

// C0, DEL and C1 controls, bidirectional controls, line and paragraph separators, byte order mark, lone surrogates.
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * Text that came from outside, made safe to show: cut, then controls and invisible characters
 * written as \u{…}, so that it can neither forge a line nor reorder one.
 */
export function printable(text: string, maxCharacters: number = LIMITS.logTextCharacters.default): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, cutAt(text, maxCharacters))}…` : text
  return cut.replace(UNPRINTABLE, character => `\\u{${character.charCodeAt(0).toString(16)}}`)
}

// Not between the halves of a surrogate pair.
function cutAt(text: string, index: number): number {
  const last = text.charCodeAt(index - 1)
  return last >= 0xd800 && last <= 0xdbff ? index - 1 : index
}

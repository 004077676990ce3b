import { isNameCharacter, isNameStart } from './characters.ts'

const ASCII_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/

/** A name without colon, of the grammar that every parser has (DECISIONS 6). */
export function isName(text: string): boolean {
  if (ASCII_NAME.test(text)) return true
  let isFirst = true
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0
    const fits =
      codePoint < 0x80
        ? ASCII_NAME.test(isFirst ? character : `a${character}`)
        : isFirst
          ? isNameStart(codePoint)
          : isNameCharacter(codePoint)
    if (!fits) return false
    isFirst = false
  }
  return !isFirst
}

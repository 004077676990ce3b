import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { isNameCharacter, isNameStart } from '../../../src/xml/characters.ts'
import { isXmlViolation, scanDocument, serialize, xmlLimits } from '../../../src/xml/index.ts'
import { expat } from '../../kit/expat.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')

/** Both sides of every border of the grammar, every 61st character between, and beyond the 4th edition's. */
function codePoints(): number[] {
  const found: number[] = [0x10000, 0x1f339, 0xeffff, 0x10ffff]
  for (let code = 0x21; code < 0xfffe; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    const kind = (at: number) => (isNameStart(at) ? 2 : isNameCharacter(at) ? 1 : 0)
    if (code < 0x100 || code % 61 === 0 || kind(code) !== kind(code - 1) || kind(code) !== kind(code + 1))
      found.push(code)
  }
  return found
}

describe('names', () => {
  it('are those of expat, character by character', () => {
    const shapes = codePoints().flatMap(code => {
      const character = String.fromCodePoint(code)
      return [`<${character}b xmlns='u'/>`, `<b${character} xmlns='u'/>`, `<b xmlns='u' c${character}=''/>`]
    })
    const answers = expat(shapes.map(shape => Buffer.from(shape)))
    const ours = shapes.map(shape => !isXmlViolation(scanDocument(Buffer.from(shape), LIMITS)))
    const differences = shapes.filter((_, i) => ours[i] !== (answers[i]?.error === null))
    // expat leaves alone what only Namespaces in XML forbids: a name that is a colon and nothing before it, or after it
    expect(differences).toEqual([])
    expect(ours.filter(Boolean).length).toBeGreaterThan(1_000)
  })

  it('others are not written', () => {
    const named = (name: string) => ({
      name,
      namespace: '',
      prefix: '',
      attributes: [],
      declarations: {},
      children: [],
    })
    for (const name of ['', ':', 'a:b', '1', 'a b', 'a/', '\u0218', '\u{10000}']) {
      expect(() => serialize(named(name)), name).toThrow(TypeError)
    }
    expect(Buffer.from(serialize(named('é'))).toString()).toBe(`<é xmlns=''/>`)
    const twice = {
      ...named('a'),
      attributes: [1, 2].map(i => ({ name: 'b', namespace: '', prefix: '', value: `${i}` })),
    }
    expect(() => serialize(twice)).toThrow(TypeError)
  })
})

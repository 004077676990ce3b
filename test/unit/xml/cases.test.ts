import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../../src/xml/index.ts'
import { expat } from '../../kit/expat.ts'
import { infoOf } from '../../kit/infoset.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const cases = (
  JSON.parse(readFileSync(new URL('./fixtures/cases.json', import.meta.url), 'utf8')) as [string, string][]
).map(([name, base64]) => ({ name, bytes: Buffer.from(base64, 'base64') }))

/** Where we refuse what expat takes as a document, and why. */
const STRICTER: Readonly<Record<string, string>> = {
  'BOM leading': 'a message starts with <; U+FEFF is no byte order mark in XMPP (WS-24, XM-03)',
  'leading space': 'a message starts with < (WS-24)',
  'xmldecl 1.1': 'XMPP is XML 1.0 (XM-04)',
  'xmldecl latin1': 'XMPP is UTF-8; this expat was told so and ignores the declaration (WS-25)',
  'xmldecl utf16': 'the same',
  'ns with newline sep':
    'a namespace name with a line feed ends the stream at servers whose parser divides names by it',
}

describe('112 inputs', () => {
  const answers = expat(cases.map(({ bytes }) => bytes))
  const verdicts = cases.map(({ name, bytes }, i) => {
    const result = scanDocument(bytes, LIMITS)
    return {
      name,
      result,
      ours: !isXmlViolation(result),
      expat: answers[i]?.error === null,
      answer: answers[i],
    }
  })

  it('are 112, of both kinds', () => {
    expect(cases).toHaveLength(112)
    expect(verdicts.filter(({ ours }) => ours).length).toBeGreaterThan(20)
  })

  it('nothing is accepted that expat refuses', () => {
    expect(verdicts.filter(({ ours, expat }) => ours && !expat).map(({ name }) => name)).toEqual([])
  })

  it('each further refusal is explained, each explanation is used', () => {
    const stricter = verdicts.filter(({ ours, expat }) => !ours && expat).map(({ name }) => name)
    expect(stricter.sort()).toEqual(Object.keys(STRICTER).sort())
  })

  it('what both accept means the same', () => {
    for (const { name, result, answer } of verdicts) {
      if (isXmlViolation(result)) continue
      expect([infoOf(result.element())], name).toEqual(answer?.elements)
    }
  })
})

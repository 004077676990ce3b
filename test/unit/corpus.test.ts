import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../src/xml/index.ts'
import { isViolation, stanzaFromScanned } from '../../src/xmpp/index.ts'
import { CORPUS_PAIR, corpus } from '../bench/corpus/index.ts'

const stanzas = corpus()
const texts = stanzas.map(bytes => new TextDecoder('utf-8', { fatal: true }).decode(bytes))
const bytes = stanzas.reduce((sum, stanza) => sum + stanza.length, 0)

/** The shape of a stanza: its elements and their namespaces, without what they say. */
function shape(text: string): string {
  const seen: string[] = []
  const parser = new SaxesParser({ xmlns: true })
  parser.on('error', error => {
    throw error
  })
  parser.on('opentag', tag => seen.push(`${tag.uri} ${tag.local}`))
  parser.write(text).close()
  return seen.join(', ')
}

describe('the corpus of the benches', () => {
  it('is large enough, and no stanza weighs too much', () => {
    const mean = bytes / stanzas.length
    expect(stanzas.length).toBeGreaterThanOrEqual(200)
    expect(mean).toBeGreaterThanOrEqual(500)
    expect(mean).toBeLessThanOrEqual(1_000)
    expect(Math.max(...stanzas.map(({ length }) => length))).toBeLessThan(bytes * 0.15)
  })

  it('is the same every time', () => {
    expect(corpus()).toEqual(stanzas)
  })

  it('is varied', () => {
    expect(new Set(texts).size).toBe(stanzas.length)
    expect(new Set(texts.map(shape)).size).toBeGreaterThanOrEqual(100)
    const kinds = ['message', 'presence', 'iq'].map(
      kind => texts.filter(text => text.startsWith(`<${kind} `)).length,
    )
    for (const count of kinds) expect(count).toBeGreaterThan(stanzas.length / 8)
    const scripts = ['Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Thai', 'Han', 'Hangul']
    const all = texts.join('')
    for (const script of scripts) expect(all).toMatch(new RegExp(`\\p{Script=${script}}`, 'u'))
    expect(all).toMatch(/\p{Extended_Pictographic}/u)
    const namespaces = new Set([...all.matchAll(/xmlns(?::\w+)?=['"]([^'"]+)['"]/g)].map(([, name]) => name))
    expect(namespaces.size).toBeGreaterThanOrEqual(50)
  })

  it('is what a peer may send: every stanza is accepted, between the two domains', () => {
    const limits = xmlLimits(defaultLimits, 'authenticated')
    for (const [index, stanza] of stanzas.entries()) {
      const scanned = scanDocument(stanza, limits)
      if (isXmlViolation(scanned)) throw new Error(`${scanned.detail}: ${texts[index]}`)
      const read = stanzaFromScanned(scanned)
      if (isViolation(read)) throw new Error(`${read.detail}: ${texts[index]}`)
      expect([read.from.domain, read.to.domain]).toEqual([CORPUS_PAIR.from, CORPUS_PAIR.to])
    }
  })
})

import type { Buffer } from 'node:buffer'
import { SaxesParser } from 'saxes'
import { defaultLimits } from '../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../src/xml/index.ts'
import { type Bench, compare } from './bench.ts'
import { corpus } from './corpus/index.ts'

const ROUNDS = 11
/** how long one half of a round takes, about */
const HALF_MS = 300

/**
 * What a stream asks of every stanza: is it right, what are its addresses, type and id, and which bytes may go on.
 * saxes is given the same bytes, as the string that it needs, and asked for the same attributes. It neither refuses
 * restricted XML and bad UTF-8 nor finds the bytes that may go on.
 */
export const scanner: Bench = {
  name: 'scanner',
  title: 'XML: a stanza checked and read, against saxes',
  unit: 'x',
  limit: { atLeast: 3, goal: 4 },
  async run() {
    const stanzas = corpus()
    const bytes = stanzas.reduce((sum, stanza) => sum + stanza.length, 0)
    const saxes = saxesReader()
    const rate = (read: (stanza: Buffer) => number) => () => {
      const startMs = performance.now()
      let times = 0
      let elapsedMs = 0
      while (elapsedMs < HALF_MS) {
        for (const stanza of stanzas) if (read(stanza) === 0) throw new Error('a stanza was not read')
        times += 1
        elapsedMs = performance.now() - startMs
      }
      return (bytes * times * 1_000) / elapsedMs / 1e6
    }
    const { ours, theirs, ratio } = await compare(ROUNDS, rate(read), rate(saxes))
    return {
      figure: ratio,
      details: [
        ['ours', ours, 'MB/s'],
        ['saxes', theirs, 'MB/s'],
        ['stanza', bytes / stanzas.length, 'bytes'],
      ],
    }
  },
}

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const ATTRIBUTES = ['from', 'to', 'id', 'type'] as const

function read(stanza: Buffer): number {
  const scanned = scanDocument(stanza, LIMITS)
  if (isXmlViolation(scanned)) throw new Error(scanned.detail)
  let found = 0
  for (const name of ATTRIBUTES) if (scanned.attribute(name) !== undefined) found += 1
  return scanned.canonical().length === 0 ? 0 : found
}

function saxesReader(): (stanza: Buffer) => number {
  const parser = new SaxesParser({ xmlns: true })
  let depth = 0
  let found = 0
  parser.on('error', error => {
    throw error
  })
  parser.on('opentag', tag => {
    if (depth === 0) for (const name of ATTRIBUTES) if (tag.attributes[name] !== undefined) found += 1
    depth += 1
  })
  parser.on('closetag', () => {
    depth -= 1
  })
  return stanza => {
    found = 0
    // A closed parser is ready for the next document.
    parser.write(stanza.toString()).close()
    return found
  }
}

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { StreamScanner, type XmlLimits, xmlLimits } from '../../../src/xml/index.ts'
import { generatedXml, mutatedXml } from '../../kit/generated-xml.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const HEADER = `<?xml version='1.0'?><s:stream xmlns='jabber:server' xmlns:s='urn:s' xmlns:p='urn:p'>`

/** Everything that can be known of what came out. */
function read(chunks: readonly Uint8Array[], limits: XmlLimits = LIMITS): readonly unknown[] {
  const scanner = new StreamScanner(limits)
  return chunks
    .flatMap(chunk => scanner.push(chunk))
    .map(event => {
      if (!('element' in event)) return event
      const { type, element } = event
      const { name, namespace, prefix, receivedBytes } = element
      const canonical = Buffer.from(element.canonical()).toString()
      return [
        type,
        name,
        namespace,
        prefix,
        receivedBytes,
        canonical,
        element.attribute('a'),
        element.element(),
      ]
    })
}

const bytewise = (bytes: Buffer) => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))

function everySplit(bytes: Buffer, limits?: XmlLimits): void {
  const whole = read([bytes], limits)
  expect(read(bytewise(bytes), limits), bytes.toString()).toEqual(whole)
  for (let at = 0; at <= bytes.length; at++) {
    expect(read([bytes.subarray(0, at), bytes.subarray(at)], limits), `${at}: ${bytes}`).toEqual(whole)
  }
}

const cases = JSON.parse(readFileSync(new URL('./fixtures/cases.json', import.meta.url), 'utf8')) as [
  string,
  string,
][]

describe('where bytes are cut makes no difference', () => {
  it.each(cases)('in a stream: %s', (_, base64) => {
    const bytes = Buffer.concat([
      Buffer.from(HEADER),
      Buffer.from(base64, 'base64'),
      Buffer.from('<iq/></s:stream>'),
    ])
    everySplit(bytes)
  })

  it('when a limit is met', () => {
    const stream = `<s><a b='é'>text &amp; é</a><a c='1'><b/><b/></a></s>`
    for (let bytes = 3; bytes < 30; bytes++) everySplit(Buffer.from(stream), { ...LIMITS, bytes })
    for (const limit of ['depth', 'elements', 'attributes', 'nameBytes'] as const) {
      for (const value of [0, 1, 2, 3]) everySplit(Buffer.from(stream), { ...LIMITS, [limit]: value })
    }
  })

  it('whatever is written', () => {
    const document = fc.oneof(
      generatedXml.map(xml => Buffer.from(xml)),
      mutatedXml,
    )
    fc.assert(
      fc.property(document, document, fc.array(fc.nat(400), { maxLength: 8 }), (one, two, cuts) => {
        const bytes = Buffer.concat([Buffer.from(HEADER), one, two])
        const points = [0, ...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length]
        const chunks = points.slice(1).map((end, i) => bytes.subarray(points[i], end))
        const whole = read([bytes])
        expect(read(chunks)).toEqual(whole)
        expect(read(bytewise(bytes))).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  it('elements stay as they were while the stream goes on', () => {
    const scanner = new StreamScanner(LIMITS)
    const kept = [
      ...bytewise(Buffer.from(`${HEADER}<a b='1'>one</a>`)),
      Buffer.from(`<a b='2'>two</a><a b`),
    ].flatMap(chunk => scanner.push(chunk))
    scanner.push(Buffer.from(`='3'>three</a>${'<x/>'.repeat(1_000)}`))
    const texts = kept.map(event =>
      'element' in event ? Buffer.from(event.element.canonical()).toString() : '',
    )
    expect(texts.slice(1)).toEqual([
      `<a xmlns='jabber:server' b='1'>one</a>`,
      `<a xmlns='jabber:server' b='2'>two</a>`,
    ])
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  isXmlViolation,
  type ScannedElement,
  scanDocument,
  serialize,
  xmlLimits,
} from '../../../src/xml/index.ts'
import { expat, type Info } from '../../kit/expat.ts'
import { generatedXml, mutatedXml } from '../../kit/generated-xml.ts'
import { infoOf, saxesInfo } from '../../kit/infoset.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')
const STREAM = {
  // In scope around every stanza there: what must not leak into it.
  header:
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' xmlns:p='urn:outer' xmlns:q='urn:outer'>",
  trailer: "<sentinel xmlns='urn:sentinel'/>",
}
const SENTINEL: Info = ['urn:sentinel', 'sentinel', [], []]

function accepted(inputs: readonly Buffer[]): { input: Buffer; element: ScannedElement }[] {
  return inputs.flatMap(input => {
    const result = scanDocument(Buffer.from(input), LIMITS)
    return isXmlViolation(result) ? [] : [{ input, element: result }]
  })
}

/** Whatever is accepted means one thing: to us, to saxes, to expat alone and to expat inside a stream. */
function meansTheSame(inputs: readonly Buffer[]): number {
  const taken = accepted(inputs)
  const inStream = expat(
    taken.map(({ element }) => element.canonical()),
    STREAM,
  )
  const alone = expat(taken.map(({ input }) => input))
  for (const [i, { input, element }] of taken.entries()) {
    const info = infoOf(element.element())
    const label = JSON.stringify(input.toString())
    expect(saxesInfo(input.toString()), label).toEqual(info)
    expect(alone[i], label).toEqual({ elements: [info], error: null, closed: true })
    expect(inStream[i], label).toEqual({ elements: [info, SENTINEL], error: null, closed: false })
    const again = scanDocument(element.canonical(), LIMITS)
    if (isXmlViolation(again)) throw new Error(`refused what it wrote: ${label}`)
    expect(again.canonical(), label).toEqual(element.canonical())
    expect(infoOf(again.element()), label).toEqual(info)
  }
  return taken.length
}

describe('differential', () => {
  it('generated XML: what is accepted means the same to every parser', () => {
    let inputs = 0
    let taken = 0
    fc.assert(
      fc.property(fc.array(generatedXml, { minLength: 300, maxLength: 300 }), documents => {
        inputs += documents.length
        taken += meansTheSame(documents.map(document => Buffer.from(document)))
      }),
      { numRuns: 5, endOnFailure: true },
    )
    // both outcomes are common, so that neither is untested
    expect(taken).toBeGreaterThan(inputs / 20)
    expect(inputs - taken).toBeGreaterThan(inputs / 20)
  })

  // Most mutants are refused, by how many varies: it goes on until enough were taken, and fails where none ever are.
  it('mutated XML: the same', () => {
    let taken = 0
    for (let run = 0; taken < 50 && run < 50; run += 1) {
      fc.assert(
        fc.property(fc.array(mutatedXml, { minLength: 400, maxLength: 400 }), documents => {
          taken += meansTheSame(documents)
        }),
        { numRuns: 1, endOnFailure: true },
      )
    }
    expect(taken).toBeGreaterThanOrEqual(50)
  })

  it('nothing is refused that expat and saxes both take, but for the rules of XMPP', () => {
    fc.assert(
      fc.property(fc.array(generatedXml, { minLength: 300, maxLength: 300 }), documents => {
        const inputs = documents.map(document => Buffer.from(document))
        for (const [i, answer] of expat(inputs).entries()) {
          const input = inputs[i]
          if (answer.error !== null || input === undefined) continue
          const result = scanDocument(input, LIMITS)
          if (!isXmlViolation(result)) continue
          const ours = [
            'a message that does not start with <',
            'a namespace name with a control character, or with white space around it',
          ]
          expect(ours, input.toString()).toContain(result.detail)
        }
      }),
      { numRuns: 3, endOnFailure: true },
    )
  })

  it('known divergent seeds are refused, or come out with one meaning', () => {
    const seeds = [
      `<\u0218 xmlns='a'/>`,
      `<\u{10000} xmlns='a'/>`,
      `<a\ufeff xmlns='a'/>`,
      `<a xmlns='a'/></stream:stream>`,
      `<a xmlns='a'/><a xmlns='a'/>`,
      `<a xmlns='a'/>text`,
      '<message/>',
      '<db:result/>',
      '<stream:error/>',
      `<?xml version='1.0'?><a xmlns='a'/>`,
      `\ufeff<a xmlns='a'/>`,
      `<p:a xmlns:p='p'><b/></p:a>`,
    ].map(seed => Buffer.from(seed))
    expect(meansTheSame(seeds)).toBe(3)
  })

  it('trees that were never bytes: what is written is what was meant', () => {
    const names = fc.constantFrom('a', 'b', 'é')
    const namespaces = fc.constantFrom('', 'urn:a', 'urn:b', "urn:'&<")
    const prefixes = fc.constantFrom('', 'p', 'q', 'xml', 'xmlns', 'not a name', 'ns0')
    const strings = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\r\n', ']]>', '\u0000', '\ud800', '\ufffe'),
    )
    const attribute = fc.record({ name: names, namespace: namespaces, prefix: prefixes, value: strings })
    const { tree } = fc.letrec(tie => ({
      tree: fc.record({
        name: names,
        namespace: namespaces,
        prefix: prefixes,
        attributes: fc.uniqueArray(attribute, {
          maxLength: 4,
          selector: ({ name, namespace }) => `${name} ${namespace}`,
        }),
        declarations: fc.dictionary(prefixes, namespaces, { maxKeys: 2 }),
        children: fc.array(fc.oneof({ depthSize: 'small' }, strings, tie('tree')), { maxLength: 3 }),
      }),
    }))
    fc.assert(
      fc.property(fc.array(tree, { minLength: 100, maxLength: 100 }), trees => {
        const written = trees.map(one => serialize(one as Parameters<typeof serialize>[0]))
        const answers = expat(written, STREAM)
        for (const [i, one] of trees.entries()) {
          const meant = clean(infoOf(one as Parameters<typeof serialize>[0]))
          expect(answers[i], Buffer.from(written[i] ?? []).toString()).toEqual({
            elements: [meant, SENTINEL],
            error: null,
            closed: false,
          })
        }
      }),
      { numRuns: 5, endOnFailure: true },
    )
  })
})

/** As it must arrive: what XML cannot carry is U+FFFD, and neighbouring texts are one. */
function clean([namespace, name, attributes, children]: Info): Info {
  const text = (value: string) =>
    value.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
  const merged: (Info | string)[] = []
  for (const child of children) {
    const last = merged.at(-1)
    if (typeof child !== 'string') merged.push(clean(child))
    else if (child !== '' && typeof last === 'string') merged[merged.length - 1] = last + text(child)
    else if (child !== '') merged.push(text(child))
  }
  return [namespace, name, attributes.map(([ns, n, value]) => [ns, n, text(value)] as const), merged]
}

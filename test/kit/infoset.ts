import { SaxesParser } from 'saxes'
import type { Element } from '../../src/xml/index.ts'
import type { Info } from './expat.ts'

/** A tree of ours, to be compared with what another parser read. */
export function infoOf(element: Element): Info {
  const attributes = element.attributes.map(({ namespace, name, value }) => [namespace, name, value] as const)
  const children = element.children.map(child => (typeof child === 'string' ? child : infoOf(child)))
  return [element.namespace, element.name, attributes.sort(order), children]
}

/** What saxes reads; its error where it refuses, or 'restricted'. */
export function saxesInfo(xml: string): Info | string {
  const stack: [string, string, (readonly [string, string, string])[], (Info | string)[]][] = []
  let root: Info | undefined
  let error: string | undefined
  const parser = new SaxesParser({ xmlns: true })
  const text = (data: string) => {
    const children = stack.at(-1)?.[3]
    if (children === undefined || data === '') return
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + data
    else children.push(data)
  }
  parser.on('error', problem => {
    error ??= problem.message
  })
  for (const name of ['comment', 'processinginstruction', 'doctype'] as const) {
    parser.on(name, () => {
      error ??= 'restricted'
    })
  }
  parser.on('text', text)
  parser.on('cdata', text)
  parser.on('opentag', tag => {
    const attributes = Object.values(tag.attributes)
      .filter(({ uri }) => uri !== 'http://www.w3.org/2000/xmlns/')
      .map(({ uri, local, value }) => [uri, local, value] as const)
    stack.push([tag.uri, tag.local, attributes.sort(order), []])
  })
  parser.on('closetag', () => {
    const closed = stack.pop()
    if (closed === undefined) return
    const parent = stack.at(-1)
    if (parent === undefined) root ??= closed
    else parent[3].push(closed)
  })
  parser.write(xml).close()
  return error ?? root ?? 'no element'
}

/** By code points, as Python sorts. */
function order(a: readonly string[], b: readonly string[]): number {
  return Buffer.compare(Buffer.from(a.join('\0')), Buffer.from(b.join('\0')))
}

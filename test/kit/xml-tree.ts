import { SaxesParser } from 'saxes'

// What a message means to somebody else's parser, as a value to compare.

export interface Tree {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly (Tree | string)[]
}

/** Read one message alone: every prefix that it uses must be declared in it (WS-22). Throws where it is not well-formed. */
export function treeOf(text: string): Tree {
  const parser = new SaxesParser({ xmlns: true })
  interface Open {
    name: string
    attributes: Record<string, string>
    children: (Tree | string)[]
  }
  const root: Open = { name: '', attributes: {}, children: [] }
  const open: Open[] = [root]
  parser.on('error', failure => {
    throw failure
  })
  parser.on('opentag', tag => {
    const attributes: Record<string, string> = {}
    for (const { uri, local, value } of Object.values(tag.attributes)) {
      if (uri !== XMLNS) attributes[uri === '' ? local : `{${uri}}${local}`] = value
    }
    const element: Open = { name: `{${tag.uri}}${tag.local}`, attributes, children: [] }
    open.at(-1)?.children.push(element)
    open.push(element)
  })
  parser.on('closetag', () => {
    open.pop()
  })
  parser.on('text', piece => {
    open.at(-1)?.children.push(piece)
  })
  parser.write(text).close()
  const [first] = root.children
  if (first === undefined || typeof first === 'string') throw new Error('no element')
  return first
}

/** The same without our words for a person, which no code reads. */
export function withoutText(tree: Tree): Tree {
  const children = tree.children
    .filter(child => typeof child === 'string' || !child.name.endsWith('}text'))
    .map(child => (typeof child === 'string' ? child : withoutText(child)))
  return { ...tree, children }
}

const XMLNS = 'http://www.w3.org/2000/xmlns/'

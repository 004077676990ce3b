import { spawnSync } from 'node:child_process'

/** An infoset, in a form that two parsers can be compared in: [namespace, name, sorted attributes, children]. */
export type Info = readonly [
  namespace: string,
  name: string,
  attributes: readonly (readonly [namespace: string, name: string, value: string])[],
  children: readonly (Info | string)[],
]

export interface ExpatAnswer {
  /** complete elements at the top level, in order */
  readonly elements: readonly Info[]
  /** null where nothing was wrong; 'restricted' for what XMPP servers refuse in expat's handlers */
  readonly error: string | null
  /** the document, or the stream, ended */
  readonly closed: boolean
}

/**
 * What expat, as XMPP servers use it, says about each input: as a document of its own, or between `header` and `trailer` of
 * a stream. One python3 process for all of them.
 */
export function expat(
  inputs: readonly Uint8Array[],
  stream?: { readonly header: string; readonly trailer: string },
): readonly ExpatAnswer[] {
  const input = JSON.stringify({
    inputs: inputs.map(bytes => Buffer.from(bytes).toString('base64')),
    header: stream?.header ?? null,
    trailer: stream?.trailer ?? '',
  })
  const child = spawnSync('python3', ['-c', SCRIPT], {
    input,
    maxBuffer: 1 << 30,
    timeout: 60_000,
    encoding: 'utf8',
  })
  if (child.status !== 0) throw new Error(`python3: ${child.error?.message ?? child.stderr}`)
  const answers = JSON.parse(child.stdout) as readonly ExpatAnswer[]
  if (answers.length !== inputs.length) throw new Error('expat did not answer everything')
  return answers
}

const SCRIPT = String.raw`
import base64, json, sys
from pyexpat import ParserCreate, ExpatError

class Restricted(Exception):
    pass

def split(name):
    namespace, _, local = name.rpartition('\x01')
    return [namespace, local]

def judge(data, header, trailer):
    base = 0 if header is None else 1
    stack, elements, state = [], [], {'closed': False}
    def start(name, attributes):
        pairs = [split(attributes[i]) + [attributes[i + 1]] for i in range(0, len(attributes), 2)]
        stack.append(split(name) + [sorted(pairs), []])
    def end(name):
        element = stack.pop()
        if len(stack) > base: stack[-1][3].append(element)
        elif len(stack) == base: elements.append(element)
        else: state['closed'] = True
    def text(data):
        if len(stack) > base:
            children = stack[-1][3]
            if children and isinstance(children[-1], str): children[-1] += data
            else: children.append(data)
        elif data.strip(' \t\r\n'):
            raise Restricted()
    def restricted(*_):
        raise Restricted()
    parser = ParserCreate('utf-8', '\x01')
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.CommentHandler = restricted
    parser.ProcessingInstructionHandler = restricted
    parser.StartDoctypeDeclHandler = restricted
    error = None
    try:
        if header is not None: parser.Parse(header, False)
        parser.Parse(data, header is None)
        if trailer: parser.Parse(trailer, False)
    except Restricted:
        error = 'restricted'
    except ExpatError as problem:
        error = str(problem)
    if header is None: state['closed'] = error is None
    return {'elements': elements, 'error': error, 'closed': state['closed']}

task = json.load(sys.stdin)
header = task['header'].encode() if task['header'] is not None else None
print(json.dumps([judge(base64.b64decode(i), header, task['trailer'].encode()) for i in task['inputs']]))
`

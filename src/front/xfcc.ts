/** What Envoy says of a client in x-forwarded-client-cert: percent-encoded PEM. */
export interface Xfcc {
  readonly cert: string | undefined
  /** the leaf first */
  readonly chain: string | undefined
}

/**
 * Read the last element: what the nearest hop has seen. Earlier ones are of other hops, or the client's own.
 * @returns what is wrong, as a sentence without trailing stop
 */
export function readXfccField(value: string): Xfcc | string {
  let element = new Map<string, string>()
  let isOpen = false
  for (let end = ';', at = 0; end !== ''; ) {
    PAIR.lastIndex = at
    const [pair, name = '', quoted, bare = '', next = ''] = PAIR.exec(value) ?? []
    // What stands behind a value in quotation marks is never skipped: by an open one a client would have the proxy's words,
    // which are put behind its own, read as a value, and what is in its certificate as ours.
    if (pair === undefined) return `${FIELD} is malformed`
    const key = name.toLowerCase()
    if (UNQUOTED.has(key)) isOpen = true
    if (key === 'cert' || key === 'chain') {
      if (isOpen) return `${FIELD} with ${name} behind a URI or DNS, which may be a part of it`
      if (element.has(key)) return `${FIELD} with ${name} twice`
      element.set(key, quoted?.replace(/\\(.)/gs, '$1') ?? bare.trim())
    }
    at = PAIR.lastIndex
    end = next
    if (end === ',') element = new Map()
  }
  return { cert: element.get('cert'), chain: element.get('chain') }
}

const FIELD = 'x-forwarded-client-cert'

/**
 * A key, its value, and what ends it: the next pair, the next element, or the end. A space has one place only where it fits:
 * else a long run of them would be tried in all ways.
 */
const PAIR = /[ \t]*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",; \t]*(?:[ \t]+[^",; \t]+)*))[ \t]*(,|;|$)/suy

/**
 * Envoy writes names from the client's certificate as they stand there, commas and all (set_current_client_cert_details): a
 * certificate with the URI `x,Cert="..."` would show another one.
 */
const UNQUOTED: ReadonlySet<string> = new Set(['uri', 'dns'])

import type { ScannedElement } from '../xml/index.ts'
import { NS } from '../xmpp/index.ts'
import type { StreamHeader } from './frame.ts'

/** The attributes of either wire's header, as they are. Others are ignored, extra declarations too (SZ-09). */
export function readHeader(scanned: ScannedElement, dialback: boolean): StreamHeader {
  const header: { -readonly [K in keyof StreamHeader]: StreamHeader[K] } = { dialback }
  const from = scanned.attribute('from')
  if (from !== undefined) header.from = from
  const to = scanned.attribute('to')
  if (to !== undefined) header.to = to
  const id = scanned.attribute('id')
  if (id !== undefined) header.id = id
  const version = scanned.attribute('version')
  if (version !== undefined) header.version = version
  const lang = scanned.attribute('lang', NS.xml)
  if (lang !== undefined) header.lang = lang
  return header
}

/** In the order of the examples; a declaration of the dialback prefix says that dialback is supported (WS-35). */
export function headerAttributes({ dialback, from, to, id, version, lang }: StreamHeader): string {
  return [
    dialback ? attribute('xmlns:db', NS.dialback) : '',
    attribute('from', from),
    attribute('to', to),
    attribute('id', id),
    attribute('version', version),
    attribute('xml:lang', lang),
  ].join('')
}

export function attribute(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}='${escaped(value)}'`
}

/** QK-08: no '>' and so no '/>' inside a header, whatever it says. */
function escaped(value: string): string {
  return value.replace(UNSAFE, character => `&#${character.charCodeAt(0)};`)
}

const UNSAFE = /[<>&'"\t\n\r]/g

/** The prefix that a header binds to dialback; null where it binds none. */
export function dialbackPrefix(scanned: ScannedElement): string | null {
  for (const [prefix, namespace] of Object.entries(scanned.element().declarations)) {
    if (isDialback(namespace)) return prefix
  }
  return null
}

export function isDialback(namespace: string): boolean {
  return namespace === NS.dialback || namespace === MANGLED_DIALBACK
}

// COMPAT(xmpp-proxy): it replaces 'jabber:server' in the text of headers, also where 'jabber:server:dialback' stands (QK-02).
const MANGLED_DIALBACK = `${NS.framing}:dialback`

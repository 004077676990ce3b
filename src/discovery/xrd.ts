import type { Limits } from '../base/index.ts'
import { type Element, isXmlViolation, scanDocument, xmlLimits } from '../xml/index.ts'
import { NS, REL_S2S_WEBSOCKET } from '../xmpp/index.ts'
import { type HostMeta, type Link, readTarget, servernameFor } from './link.ts'

/** Read an XRD (RFC 6415 §3.1); null where it is none, or not the strict XML of every stream (DS-05). */
export function readXrd(bytes: Uint8Array, limits: Limits): HostMeta | null {
  const scanned = scanDocument(bytes, { ...xmlLimits(limits, 'authenticated'), bytes: limits.hostMetaBytes })
  if (isXmlViolation(scanned) || scanned.name !== 'XRD' || scanned.namespace !== NS.xrd) return null
  const links: Link[] = []
  for (const child of scanned.element().children) {
    if (links.length === limits.hostMetaLinks) break
    const link = typeof child === 'string' ? null : readLink(child)
    if (link !== null) links.push(link)
  }
  return { links, complete: false, ttlMs: null, pins: [] }
}

function readLink(element: Element): Link | null {
  if (element.name !== 'Link' || element.namespace !== NS.xrd) return null
  const attribute = (name: string) =>
    element.attributes.find(other => other.name === name && other.namespace === '')?.value
  const href = attribute('href')
  const isOurs = attribute('rel') === REL_S2S_WEBSOCKET && attribute('template') === undefined
  const target = isOurs && href !== undefined ? readTarget(href) : null
  if (target === null) return null
  // What XEP-0487 adds is in the JRD only.
  return {
    ...target,
    addresses: null,
    servername: servernameFor(target.host, undefined),
    priority: Number.POSITIVE_INFINITY,
    weight: 0,
  }
}

import type { Limits } from '../base/index.ts'
import type { Element } from '../xml/index.ts'
import { element, NS } from '../xmpp/index.ts'
import type { PeerLimits, StartTls } from './machine.ts'
import { EXTERNAL } from './sasl-external.ts'

/** What decides whether a feature is listed. */
export interface Offer {
  /** SASL EXTERNAL would succeed (SA-01): the certificate is proven for the stream's from, before it is offered */
  readonly external: boolean
  readonly starttls: StartTls
  readonly dialback: boolean
  /** stanzas both ways can still be asked for (BI-01) */
  readonly bidi: boolean
  /** stream management can be asked for, now or once the peer is proven (SM-04) */
  readonly sm: boolean
  readonly limits: OwnLimits
}

/** What we tell of our own limits (XEP-0478). */
export type OwnLimits = Pick<Limits, 'stanzaBytes' | 'advertisedIdleMs'>

interface Feature {
  readonly name: string
  readonly namespace: string
  /** null: not now */
  offer(offer: Offer): Element | null
}

/** What the receiving side lists, in this order. */
const FEATURES: readonly Feature[] = [
  {
    name: 'starttls',
    namespace: NS.tls,
    offer: ({ starttls }) =>
      starttls === 'never'
        ? null
        : element('starttls', NS.tls, {}, ...(starttls === 'required' ? [element('required', NS.tls)] : [])),
  },
  {
    name: 'mechanisms',
    namespace: NS.sasl,
    // SA-03: no empty list, either EXTERNAL or nothing.
    offer: ({ external }) =>
      external ? element('mechanisms', NS.sasl, {}, element('mechanism', NS.sasl, {}, EXTERNAL)) : null,
  },
  {
    name: 'dialback',
    namespace: NS.dialbackFeature,
    // DB-15: with errors, which are answered as such.
    offer: ({ dialback }) =>
      dialback ? element('dialback', NS.dialbackFeature, {}, element('errors', NS.dialbackFeature)) : null,
  },
  {
    name: 'bidi',
    namespace: NS.bidiFeature,
    offer: ({ bidi }) => (bidi ? element('bidi', NS.bidiFeature) : null),
  },
  {
    name: 'sm',
    namespace: NS.sm,
    // SM-01
    offer: ({ sm }) => (sm ? element('sm', NS.sm) : null),
  },
  {
    name: 'limits',
    namespace: NS.limits,
    offer: ({ limits }) => limitsElement(limits),
  },
]

/** LI-01 */
export function limitsElement({ stanzaBytes, advertisedIdleMs }: OwnLimits): Element {
  return element(
    'limits',
    NS.limits,
    {},
    element('max-bytes', NS.limits, {}, String(stanzaBytes)),
    element('idle-seconds', NS.limits, {}, String(Math.floor(advertisedIdleMs / 1_000))),
  )
}

export function featuresElement(offer: Offer): {
  readonly element: Element
  readonly names: readonly string[]
} {
  const children: Element[] = []
  for (const feature of FEATURES) {
    const offered = feature.offer(offer)
    if (offered !== null) children.push(offered)
  }
  return {
    element: { ...element('features', NS.stream, {}, ...children), prefix: 'stream' },
    names: children.map(({ name }) => name),
  }
}

/** What the other side listed, as far as it concerns us. */
export interface PeerFeatures {
  readonly names: readonly string[]
  readonly mechanisms: readonly string[]
  readonly starttls: boolean
  readonly dialback: boolean
  readonly bidi: boolean
  readonly sm: boolean
  readonly limits: PeerLimits
  /** one that must be negotiated and that we do not know (ST-14) */
  readonly unknownMandatory: boolean
}

export function readFeatures(features: Element): PeerFeatures {
  const names: string[] = []
  let mechanisms: readonly string[] = []
  let limits: PeerLimits = NO_LIMITS
  let unknownMandatory = false
  const known = new Set<string>()
  for (const child of features.children) {
    if (typeof child === 'string') continue
    names.push(child.name)
    known.add(`${child.namespace} ${child.name}`)
    if (child.namespace === NS.sasl && child.name === 'mechanisms') mechanisms = readMechanisms(child)
    else if (child.namespace === NS.limits && child.name === 'limits') limits = readLimits(child)
    // WS-64: TLS stands already, whatever is said about STARTTLS.
    else if (child.namespace !== NS.tls && hasRequired(child)) unknownMandatory = true
  }
  return {
    names,
    mechanisms,
    starttls: known.has(`${NS.tls} starttls`),
    dialback: known.has(`${NS.dialbackFeature} dialback`),
    bidi: known.has(`${NS.bidiFeature} bidi`),
    sm: known.has(`${NS.sm} sm`),
    limits,
    unknownMandatory,
  }
}

export const NO_LIMITS: PeerLimits = Object.freeze({ maxBytes: null, idleSeconds: null })

function readMechanisms(mechanisms: Element): readonly string[] {
  return mechanisms.children
    .filter(child => typeof child !== 'string')
    .filter(({ name, namespace }) => name === 'mechanism' && namespace === NS.sasl)
    .map(textOf)
}

/** LI-01: both optional; what is no number says nothing. */
export function readLimits(limits: Element): PeerLimits {
  const read = (wanted: string) => {
    const found = limits.children
      .filter(child => typeof child !== 'string')
      .find(({ name, namespace }) => name === wanted && namespace === NS.limits)
    const text = found === undefined ? '' : textOf(found).trim()
    return /^\d{1,15}$/.test(text) ? Number(text) : null
  }
  return { maxBytes: read('max-bytes'), idleSeconds: read('idle-seconds') }
}

function hasRequired(feature: Element): boolean {
  return feature.children.some(child => typeof child !== 'string' && child.name === 'required')
}

function textOf({ children }: Element): string {
  return children.filter(child => typeof child === 'string').join('')
}

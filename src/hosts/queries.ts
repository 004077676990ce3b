import type { Element } from '../xml/index.ts'
import { element as el, NS, type Stanza, type StanzaError } from '../xmpp/index.ts'

/** XEP-0030 identity: category and type from the registry. */
export interface Identity {
  readonly category: string
  readonly type: string
  readonly name?: string
}

/** XEP-0092. */
export interface Software {
  readonly name: string
  readonly version: string
  /** names the platform to everyone who asks: leave it out unless that is wanted (PI-03) */
  readonly os?: string
}

/** What the addressee of a query is. */
export interface Profile {
  readonly identity: Identity
  readonly features: readonly string[]
  readonly items: readonly { readonly jid: string; readonly name: string }[]
  readonly software: Software
}

export const SERVER: Identity = { category: 'server', type: 'im', name: 'Isthmus' }
export const BOT: Identity = { category: 'client', type: 'bot' }
export const ISTHMUS: Software = { name: 'Isthmus', version: '0.1.0' }

/** Answer the queries that every host answers: undefined is the empty result, an error what the sender is told. */
export function answerQuery(
  request: Stanza,
  payload: Element,
  profile: Profile,
): Element | StanzaError | undefined {
  if (request.type !== 'get') return UNKNOWN
  const kind = `${payload.name} ${payload.namespace}`
  if (kind === PING) return undefined
  if (kind === INFO) return hasNode(payload) ? NO_NODE : info(profile)
  if (kind === ITEMS) return hasNode(payload) ? NO_NODE : items(profile)
  if (kind === VERSION) return version(profile)
  return UNKNOWN
}

const PING = `ping ${NS.ping}`
const INFO = `query ${NS.discoInfo}`
const ITEMS = `query ${NS.discoItems}`
const VERSION = `query ${NS.version}`

const UNKNOWN: StanzaError = { condition: 'service-unavailable' } // PI-04
const NO_NODE: StanzaError = { condition: 'item-not-found' } // PI-02

const OWN_FEATURES = [NS.discoInfo, NS.discoItems, NS.ping, NS.version]

function info({ identity, features }: Profile): Element {
  return el(
    'query',
    NS.discoInfo,
    {},
    el('identity', NS.discoInfo, { ...identity }),
    ...[...new Set([...OWN_FEATURES, ...features])]
      .sort()
      .map(name => el('feature', NS.discoInfo, { var: name })),
  )
}

function items(profile: Profile): Element {
  return el('query', NS.discoItems, {}, ...profile.items.map(item => el('item', NS.discoItems, { ...item })))
}

function version({ software }: Profile): Element {
  const { name, version, os } = software
  return el(
    'query',
    NS.version,
    {},
    el('name', NS.version, {}, name),
    el('version', NS.version, {}, version),
    ...(os === undefined ? [] : [el('os', NS.version, {}, os)]),
  )
}

function hasNode(payload: Element): boolean {
  return payload.attributes.some(attribute => attribute.name === 'node' && attribute.namespace === '')
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import type { Delivery, Host, HostContext } from '../../src/federation/index.ts'
import {
  type Domain,
  isRequest,
  parseDomain,
  STANZA_CONDITIONS,
  type Stanza,
  type StanzaCondition,
  type StanzaError,
  sameJid,
} from '../../src/xmpp/index.ts'
import { stanza } from './stanza.ts'

/** The kit speaks to this domain, as people and servers of montague.example. */
export const LOCAL = 'capulet.example'

/** What federation gives to a host, written down; `shut` holds every send back until `open`. */
export class RecordingContext implements HostContext {
  readonly clock = systemClock
  readonly random = systemRandom
  readonly observer = new Observer()
  readonly limits = defaultLimits
  readonly domains: ReadonlySet<Domain>
  readonly sent: Stanza[] = []
  #gate: { readonly promise: Promise<void>; readonly open: () => void } | null = null

  constructor(...domains: readonly string[]) {
    this.domains = new Set(domains.map(parseDomain).filter(domain => domain !== null))
  }

  send(sending: Stanza): Promise<void> | undefined {
    if (!this.domains.has(sending.from.domain))
      throw new TypeError(`not a domain of this host: ${sending.from.domain}`)
    this.sent.push(sending)
    return this.#gate?.promise
  }

  isLocal(domain: Domain): boolean {
    return this.domains.has(domain)
  }

  peerIsUp(): void {}

  shut(): void {
    let open = () => {}
    const promise = new Promise<void>(resolve => {
      open = resolve
    })
    this.#gate = { promise, open }
  }

  open(): void {
    this.#gate?.open()
    this.#gate = null
  }
}

/**
 * What every Host owes to federation, run against one implementation.
 * @param make a host that is not started, for capulet.example, where nobody@ does not exist; it answers at least pings
 */
export function hostCompliance(name: string, make: () => Host | Promise<Host>): void {
  describe(`host compliance: ${name}`, () => {
    let host: Host
    let context: RecordingContext

    beforeEach(async () => {
      host = await make()
      context = new RecordingContext(LOCAL)
      await host.start(context)
    })
    afterEach(() => host.stop(1000))

    /** The error that the sender is told: by what deliver says, or by a stanza of the host's own. */
    async function told(sending: Stanza): Promise<StanzaError> {
      const delivery = await host.deliver(sending)
      if (!delivery.taken) {
        const { taken: _, ...error } = delivery
        return error
      }
      await until(() => context.sent.length > 0)
      const [answer] = context.sent.splice(0)
      const error = answer
        ?.element()
        .children.find(child => typeof child !== 'string' && child.name === 'error')
      const inside = typeof error === 'string' ? [] : (error?.children ?? [])
      const condition = inside.find(child => typeof child !== 'string' && child.name in STANZA_CONDITIONS)
      if (condition === undefined || typeof condition === 'string') throw new Error('no error was told')
      return { condition: condition.name as StanzaCondition }
    }

    it('has a name', () => {
      expect(host.name).toMatch(/^[a-z]+$/)
    })

    it('answers pings to its domain, in the order they came', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => `p${index}`)
      for (const id of ids) expect(await host.deliver(ping(id))).toEqual({ taken: true })
      await until(() => context.sent.length === ids.length)
      expect(context.sent.map(answer => answer.id)).toEqual(ids)
      expect(context.sent.every(answer => answer.type === 'result')).toBe(true)
    })

    it.each(REQUESTS)('[SZ-10] answers exactly once: %s', async (_, xml) => {
      const request = stanza(xml)
      expect(isRequest(request)).toBe(true)
      const delivery = await host.deliver(request)
      if (delivery.taken) await until(() => context.sent.length > 0)
      // A ping behind it: what else there was to say has been said when its answer comes.
      await host.deliver(ping('behind'))
      await until(() => context.sent.some(answer => answer.id === 'behind'))
      const answers = context.sent.filter(answer => answer.id !== 'behind')
      expect(answers).toHaveLength(delivery.taken ? 1 : 0)
      for (const answer of answers) {
        expect(answer.kind).toBe('iq')
        expect(['result', 'error']).toContain(answer.type)
        expect(answer.id).toBe(request.id)
        expect(sameJid(answer.from, request.to)).toBe(true)
        expect(sameJid(answer.to, request.from)).toBe(true)
      }
    })

    it.each(UNANSWERABLE)('[SZ-11] never answers %s', async (_, xml) => {
      await host.deliver(stanza(xml))
      await host.deliver(ping('behind'))
      await until(() => context.sent.some(answer => answer.id === 'behind'))
      expect(context.sent).toHaveLength(1)
    })

    it('[SZ-23] tells nobody which accounts exist: bare and full, the same error; presence ignored', async () => {
      for (const [kind, payload] of [
        ["message type='chat'", '<body>hello?</body>'],
        ["iq type='get'", "<query xmlns='urn:example:none'/>"],
      ] as const) {
        const outcomes: StanzaError[] = []
        for (const to of [`nobody@${LOCAL}`, `nobody@${LOCAL}/orchard`]) {
          const tag = kind.split(' ')[0]
          const outcome = await told(
            stanza(
              `<${kind} xmlns='jabber:server' from='romeo@montague.example' to='${to}' id='x'>${payload}</${tag}>`,
            ),
          )
          outcomes.push(outcome)
        }
        expect(outcomes[0]).toMatchObject({ condition: 'service-unavailable' })
        expect(outcomes[1]).toEqual(outcomes[0])
      }
      for (const type of ['', "type='subscribe'", "type='probe'", "type='unavailable'"]) {
        const presence = `<presence xmlns='jabber:server' from='romeo@montague.example' to='nobody@${LOCAL}' ${type}/>`
        expect(await host.deliver(stanza(presence))).toEqual({ taken: true })
      }
      await host.deliver(ping('behind'))
      await until(() => context.sent.length > 0)
      expect(context.sent.map(answer => answer.id)).toEqual(['behind'])
    })

    it('sends nothing more while there is no room', async () => {
      context.shut()
      const first = track(host.deliver(ping('p1')))
      await until(() => context.sent.length === 1)
      // Federation hands over the next one only when the host has settled the one before.
      if (first.isSettled()) await host.deliver(ping('p2'))
      await turns()
      expect(context.sent).toHaveLength(1)
      context.open()
      expect(await first.delivery).toEqual({ taken: true })
    })

    it.each(HOSTILE)('survives %s', async (_, xml) => {
      const delivery = await host.deliver(stanza(xml))
      expect(typeof delivery.taken).toBe('boolean')
      expect(await host.deliver(ping('canary'))).toEqual({ taken: true })
      await until(() => context.sent.some(answer => answer.id === 'canary' && answer.type === 'result'))
    })

    it('sends only from its own domains', async () => {
      // The context throws on any other; a host that tried would have rejected above. Here it is asked to.
      const foreign = stanza(
        `<iq xmlns='jabber:server' type='get' id='x' from='${LOCAL}' to='nobody@${LOCAL}'><ping xmlns='urn:xmpp:ping'/></iq>`,
      )
      await host.deliver(foreign)
      for (const sent of context.sent) expect(context.domains.has(sent.from.domain)).toBe(true)
    })

    it('stops within its deadline, even in the middle of a delivery', async () => {
      context.shut()
      const hanging = track(host.deliver(ping('p1')))
      await turns()
      await host.stop(20)
      context.open()
      await hanging.delivery
    })

    it('takes and says nothing after stop', async () => {
      await host.stop(1000)
      expect(await host.deliver(ping('late'))).toMatchObject({ taken: false })
      await turns()
      expect(context.sent).toEqual([])
      await host.stop(1000)
    })
  })
}

const FROM = `xmlns='jabber:server' from='romeo@montague.example/orchard'`

function ping(id: string): Stanza {
  return stanza(`<iq ${FROM} to='${LOCAL}' id='${id}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`)
}

const REQUESTS: readonly (readonly [string, string])[] = [
  ['a ping', `<iq ${FROM} to='${LOCAL}' id='a' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`],
  [
    'a ping with an empty id',
    `<iq ${FROM} to='${LOCAL}' id='' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  ['a ping of type set', `<iq ${FROM} to='${LOCAL}' id='a' type='set'><ping xmlns='urn:xmpp:ping'/></iq>`],
  ['an unknown get', `<iq ${FROM} to='${LOCAL}' id='a' type='get'><query xmlns='urn:example:none'/></iq>`],
  ['an unknown set', `<iq ${FROM} to='${LOCAL}' id='a' type='set'><query xmlns='urn:example:none'/></iq>`],
  [
    'a get to an unknown account',
    `<iq ${FROM} to='nobody@${LOCAL}' id='a' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  [
    'a set to an unknown resource',
    `<iq ${FROM} to='nobody@${LOCAL}/x' id='a' type='set'><x xmlns='urn:example:none'/></iq>`,
  ],
  ['a get without payload', `<iq ${FROM} to='${LOCAL}' id='a' type='get'/>`],
  ['a get with text only', `<iq ${FROM} to='${LOCAL}' id='a' type='get'>ping</iq>`],
  [
    'a get with two payloads',
    `<iq ${FROM} to='${LOCAL}' id='a' type='get'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  [
    'disco with a node',
    `<iq ${FROM} to='${LOCAL}' id='a' type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>`,
  ],
]

const UNANSWERABLE: readonly (readonly [string, string])[] = [
  [
    'an error message',
    `<message ${FROM} to='nobody@${LOCAL}' type='error'><body>x</body><error type='cancel'/></message>`,
  ],
  ['an error message without error', `<message ${FROM} to='${LOCAL}' type='error'/>`],
  ['an iq error', `<iq ${FROM} to='${LOCAL}' id='e' type='error'><ping xmlns='urn:xmpp:ping'/></iq>`],
  ['an iq result', `<iq ${FROM} to='${LOCAL}' id='r' type='result'/>`],
  [
    'an iq result with a request inside',
    `<iq ${FROM} to='${LOCAL}' id='r' type='result'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  ['a presence error', `<presence ${FROM} to='nobody@${LOCAL}' type='error'/>`],
]

const HOSTILE: readonly (readonly [string, string])[] = [
  [
    'an iq whose payload has the prototype’s names',
    `<iq ${FROM} to='${LOCAL}' id='__proto__' type='get'><constructor xmlns='__proto__'/></iq>`,
  ],
  [
    'an id with everything in it',
    `<iq ${FROM} to='${LOCAL}' id='&lt;&amp;&quot;&apos;&#10;&#x10FFFF;' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  [
    'a long id',
    `<iq ${FROM} to='${LOCAL}' id='${'i'.repeat(100_000)}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  [
    'a large unknown payload',
    `<iq ${FROM} to='${LOCAL}' id='a' type='set'><x xmlns='urn:x'>${'<y/>'.repeat(9000)}</x></iq>`,
  ],
  [
    'a ping from the domain itself',
    `<iq xmlns='jabber:server' from='${LOCAL}' to='${LOCAL}' id='a' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`,
  ],
  [
    'a message of an unknown type',
    `<message ${FROM} to='${LOCAL}' type='__proto__'><body>x</body></message>`,
  ],
  ['a message without anything', `<message ${FROM} to='nobody@${LOCAL}'/>`],
  ['a presence of an unknown type', `<presence ${FROM} to='${LOCAL}' type='constructor'/>`],
  [
    'emoji everywhere',
    `<message xmlns='jabber:server' from='♚@montague.example/❤️' to='${LOCAL}/👨‍👩‍👦'><body>💩</body></message>`,
  ],
]

function track(delivery: Delivery | Promise<Delivery>) {
  let settled = !(delivery instanceof Promise)
  const observed = Promise.resolve(delivery).finally(() => {
    settled = true
  })
  return { delivery: observed, isSettled: () => settled }
}

/** A few turns of the event loop: what could happen without anybody's help has happened. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function until(isTrue: () => boolean): Promise<void> {
  // Bounded by the test's own timeout, which then names the test.
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

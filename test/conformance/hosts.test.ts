import { expect, it } from 'vitest'
import type { Host } from '../../src/federation/index.ts'
import { type EmbeddedOptions, embedded } from '../../src/hosts/index.ts'
import type { Element } from '../../src/xml/index.ts'
import { NS, type Stanza } from '../../src/xmpp/index.ts'
import { LOCAL, RecordingContext } from '../kit/host-compliance.ts'
import { stanza } from '../kit/stanza.ts'

// What a domain answers by itself (PROTOCOL F.4), and what stanzas to accounts get that do not exist.

const ROMEO = 'romeo@montague.example/orchard'

interface Asked {
  readonly delivery: Awaited<ReturnType<Host['deliver']>>
  readonly answer: Stanza | undefined
  /** the answer's one payload */
  readonly payload: Element | undefined
}

async function ask(
  payload: string,
  { to = LOCAL, type = 'get', options = {} as EmbeddedOptions } = {},
): Promise<Asked> {
  const host = embedded(options)
  const context = new RecordingContext(LOCAL)
  host.start(context)
  const request = stanza(
    `<iq xmlns='jabber:server' from='${ROMEO}' to='${to}' id='q-1' type='${type}'>${payload}</iq>`,
  )
  const delivery = await host.deliver(request)
  expect(context.sent.length).toBe(delivery.taken ? 1 : 0)
  const [answer] = context.sent
  if (answer !== undefined) {
    expect(answer).toMatchObject({
      kind: 'iq',
      type: 'result',
      id: 'q-1',
      from: request.to,
      to: request.from,
    })
  }
  const payloads = answer?.element().children.filter(child => typeof child !== 'string')
  return { delivery, answer, payload: payloads?.[0] }
}

const children = (of: Element | undefined, name: string) =>
  of?.children.flatMap(child => (typeof child !== 'string' && child.name === name ? [child] : [])) ?? []
const attribute = (of: Element | undefined, name: string) =>
  of?.attributes.find(candidate => candidate.name === name)?.value

it('[PI-01] answers a ping to a domain of ours with an empty result, id kept, addresses swapped', async () => {
  const { answer, payload } = await ask("<ping xmlns='urn:xmpp:ping'/>")
  expect(answer?.type).toBe('result')
  expect(payload).toBeUndefined()
})

it('[PI-01] a host without ping says service-unavailable', async () => {
  const { delivery } = await ask("<ping xmlns='urn:xmpp:ping'/>", {
    options: {
      onIq: [
        {
          type: 'get',
          name: 'ping',
          namespace: NS.ping,
          handle: () => ({ condition: 'service-unavailable' }),
        },
      ],
    },
  })
  expect(delivery).toMatchObject({ taken: false, condition: 'service-unavailable' })
})

it('[PI-02] says what it is and what it can, and names no nodes', async () => {
  const { payload: info } = await ask("<query xmlns='http://jabber.org/protocol/disco#info'/>")
  expect(info).toMatchObject({ name: 'query', namespace: 'http://jabber.org/protocol/disco#info' })
  const [identity] = children(info, 'identity')
  expect([attribute(identity, 'category'), attribute(identity, 'type')]).toEqual(['server', 'im'])
  const features = children(info, 'feature').map(feature => attribute(feature, 'var'))
  for (const feature of [
    'http://jabber.org/protocol/disco#info',
    'http://jabber.org/protocol/disco#items',
    'urn:xmpp:ping',
    'jabber:iq:version',
  ]) {
    expect(features).toContain(feature)
  }
  expect(new Set(features).size).toBe(features.length)

  const { payload: items } = await ask("<query xmlns='http://jabber.org/protocol/disco#items'/>")
  expect(items).toMatchObject({ namespace: 'http://jabber.org/protocol/disco#items', children: [] })

  for (const kind of ['info', 'items']) {
    const { delivery } = await ask(`<query xmlns='http://jabber.org/protocol/disco#${kind}' node='x'/>`)
    expect(delivery).toMatchObject({ taken: false, condition: 'item-not-found' })
  }
})

it('[PI-02] shows the identity and features that are configured', async () => {
  const options: EmbeddedOptions = {
    identity: { category: 'component', type: 'generic', name: 'Prince' },
    features: ['urn:example:peace'],
    onIq: [{ type: 'get', name: 'calc', namespace: 'urn:example:calc', handle: () => undefined }],
  }
  const { payload } = await ask("<query xmlns='http://jabber.org/protocol/disco#info'/>", { options })
  const [identity] = children(payload, 'identity')
  expect([attribute(identity, 'category'), attribute(identity, 'name')]).toEqual(['component', 'Prince'])
  const features = children(payload, 'feature').map(feature => attribute(feature, 'var'))
  expect(features).toEqual(expect.arrayContaining(['urn:example:peace', 'urn:example:calc']))
})

it('[PI-03] tells name and version, and the platform only where that is wanted', async () => {
  const query = "<query xmlns='jabber:iq:version'/>"
  const { payload } = await ask(query)
  const [name, version] = [children(payload, 'name')[0], children(payload, 'version')[0]]
  expect(name?.children).toEqual(['Isthmus'])
  expect(String(version?.children[0])).toMatch(/^\d+\.\d+\.\d+/)
  expect(children(payload, 'os')).toEqual([])
  const { payload: telling } = await ask(query, {
    options: { software: { name: 'Prince', version: '1', os: 'Verona' } },
  })
  expect(children(telling, 'os')[0]?.children).toEqual(['Verona'])
})

it.each(['get', 'set'])('[PI-04] any other iq of type %s gets service-unavailable', async type => {
  for (const payload of ["<query xmlns='urn:example:none'/>", "<ping xmlns='urn:xmpp:pong'/>"]) {
    const { delivery } = await ask(payload, { type })
    expect(delivery).toMatchObject({ taken: false, condition: 'service-unavailable' })
  }
})

it('[SZ-23] an account that does not exist: the same for iq and message, bare and full; presence is ignored', async () => {
  const options: EmbeddedOptions = {
    echo: true,
    accounts: local => local === 'juliet',
    onMessage: () => undefined,
  }
  const host = embedded(options)
  const context = new RecordingContext(LOCAL)
  host.start(context)
  for (const to of [`tybalt@${LOCAL}`, `tybalt@${LOCAL}/street`]) {
    const { delivery } = await ask("<ping xmlns='urn:xmpp:ping'/>", { to, options })
    expect(delivery).toEqual({ taken: false, condition: 'service-unavailable' })
    const message = `<message xmlns='jabber:server' from='${ROMEO}' to='${to}'><body>x</body></message>`
    expect(await host.deliver(stanza(message))).toEqual(delivery)
    for (const type of ['subscribe', 'probe', 'unavailable']) {
      const presence = `<presence xmlns='jabber:server' from='${ROMEO}' to='${to}' type='${type}'/>`
      expect(await host.deliver(stanza(presence))).toEqual({ taken: true })
    }
  }
  expect(context.sent).toEqual([])
})

import { expect, it } from 'vitest'
import { Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import { FederationCore, type Host, type HostContext, readOptions } from '../../../src/federation/index.ts'
import { message } from '../../../src/xmpp/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { CAPULET, domain } from '../../kit/scripted-network.ts'

const authority = testAuthority()

class RecordingHost implements Host {
  readonly name = 'test'
  readonly contexts: HostContext[] = []
  stops = 0
  onStart: () => void | Promise<void> = () => {}

  start(context: HostContext): void | Promise<void> {
    this.contexts.push(context)
    return this.onStart()
  }

  deliver() {
    return { taken: true } as const
  }

  async stop(): Promise<void> {
    this.stops += 1
  }
}

function core(
  ...served: readonly { readonly name: string; readonly also?: readonly string[]; readonly host: Host }[]
) {
  const domains = served.map(entry => {
    const { certificatePem, keyPem } = authority.issue({ dns: [entry.name] })
    return { ...entry, certificate: certificatePem, key: keyPem }
  })
  return new FederationCore({
    settings: readOptions({ domains }),
    discovery: {
      discover: async () => ({ ok: false, failure: { by: 'peer', kind: 'no-endpoint', detail: 'nothing' } }),
      forget: () => {},
      reconsider: () => {},
    },
    resolver: { resolve: async () => ({ ok: true, endpoints: [] }) },
    startInitiating: () => {
      throw new TypeError('nobody is reached here')
    },
    observer: new Observer(),
    clock: systemClock,
    random: systemRandom,
  })
}

it('starts each host once, with all its domains, and stops it once', async () => {
  const [shared, other] = [new RecordingHost(), new RecordingHost()]
  const running = core(
    { name: 'capulet.example', also: ['rooms.capulet.example'], host: shared },
    { name: 'montague.example', host: shared },
    { name: 'verona.example', host: other },
  )
  await running.start()
  expect(shared.contexts.map(({ domains }) => [...domains])).toEqual([
    ['capulet.example', 'rooms.capulet.example', 'montague.example'],
  ])
  expect(other.contexts.map(({ domains }) => [...domains])).toEqual([['verona.example']])
  await running.close(1_000)
  expect([shared.stops, other.stops]).toEqual([1, 1])
})

it('stops those that have started where one fails, and says what it said', async () => {
  const [good, bad] = [new RecordingHost(), new RecordingHost()]
  bad.onStart = () => Promise.reject(new Error('no plague today'))
  const running = core({ name: 'capulet.example', host: good }, { name: 'verona.example', host: bad })
  await expect(running.start()).rejects.toThrow('no plague today')
  expect([good.stops, bad.stops]).toEqual([1, 0])
})

it('sends only from domains of its own, and a host only from those of the host', async () => {
  const [one, other] = [new RecordingHost(), new RecordingHost()]
  const running = core({ name: 'capulet.example', host: one }, { name: 'verona.example', host: other })
  await running.start()
  const from = (name: string) => message({ from: name, to: 'romeo@capulet.example', body: 'x' })
  expect(() => running.send(from('montague.example'))).toThrow(TypeError)
  expect(() => one.contexts[0]?.send(from('verona.example'))).toThrow(TypeError)
  expect(running.account().accepted).toBe(0)
  running.send(from('verona.example'))
  other.contexts[0]?.send(from('verona.example'))
  expect(running.account().accepted).toBe(2)
  await running.close(1_000)
  expect(running.account()).toMatchObject({ accepted: 2, delivered: 2, held: 0 })
})

it('takes a new certificate where it fits, and keeps the old one where it does not', () => {
  const running = core({ name: 'capulet.example', host: new RecordingHost() })
  const [one, other] = [
    authority.issue({ dns: ['capulet.example'] }),
    authority.issue({ dns: ['capulet.example'] }),
  ]
  running.setCertificate(CAPULET, { certificate: one.certificatePem, key: one.keyPem })
  expect(() =>
    running.setCertificate(CAPULET, { certificate: one.certificatePem, key: other.keyPem }),
  ).toThrow()
  expect(() =>
    running.setCertificate(domain('verona.example'), { certificate: one.certificatePem, key: one.keyPem }),
  ).toThrow(TypeError)
})

it('checks only as one of its domains, and only towards a domain', () => {
  const running = core({ name: 'capulet.example', host: new RecordingHost() })
  const { signal } = new AbortController()
  expect(() => running.check('montague.example', { local: 'verona.example', signal })).toThrow(TypeError)
  expect(() => running.check('no domain', { local: 'capulet.example', signal })).toThrow(TypeError)
})

it('does not wait longer for a host than its share of the budget', async () => {
  const host = new RecordingHost()
  host.stop = () => new Promise(() => {})
  const running = core({ name: 'capulet.example', host })
  await running.start()
  await running.close(50)
})

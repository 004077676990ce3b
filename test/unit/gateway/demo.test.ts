import { describe, expect, it } from 'vitest'
import type { Event } from '../../../src/base/index.ts'
import { startDemo } from '../../../src/gateway/demo.ts'
import { DemoHost } from '../../../src/gateway/demo-host.ts'
import type { Line } from '../../../src/gateway/demo-talk.ts'
import { embedded } from '../../../src/hosts/index.ts'
import { message } from '../../../src/xmpp/index.ts'

const never = new AbortController().signal

describe('the demo', () => {
  it('finds, proves and talks both ways; what arrives is what was said', async () => {
    const events: [string, Event][] = []
    const lines: Line[] = []
    const demo = await startDemo({
      onEvent: (domain, event) => events.push([domain, event]),
      onLine: line => lines.push(line),
    })
    try {
      expect(demo.towns.map(({ domain }) => domain)).toEqual(['capulet.example', 'montague.example'])
      const { stanzas, problem } = await demo.converse(never)
      expect(problem).toBeNull()
      // Four messages, a ping and its answer.
      expect(stanzas).toEqual({ sent: 6, delivered: 6, bounced: 0 })
      expect(lines.map(({ from, text }) => [from, text === null ? null : text.length > 10])).toEqual([
        ['juliet@capulet.example', true],
        ['romeo@montague.example', true],
        ['juliet@capulet.example', true],
        ['romeo@montague.example', true],
        ['capulet.example', null],
      ])
      // Nobody told them where the other is, and each proved itself to the other.
      for (const domain of ['capulet.example', 'montague.example']) {
        const own = events.flatMap(([whose, event]) => (whose === domain ? [event] : []))
        expect(own.find(({ type }) => type === 'discovery:found')).toMatchObject({
          source: expect.stringContaining('host-meta'),
        })
        const proven = own.flatMap(event => (event.type === 'identity' ? [[event.role, event.ok]] : []))
        expect(proven.sort()).toEqual([
          ['initiating', true],
          ['receiving', true],
        ])
      }
    } finally {
      await demo.stop()
    }
  })

  it('where no listener sees a certificate, they prove themselves by dialback', async () => {
    const events: Event[] = []
    const demo = await startDemo({
      clientCertificates: 'off',
      onEvent: (_, event) => events.push(event),
      onLine: () => {},
    })
    try {
      const { stanzas, problem } = await demo.converse(never)
      expect(problem).toBeNull()
      expect(stanzas).toEqual({ sent: 6, delivered: 6, bounced: 0 })
      const proofs = events.flatMap(event =>
        event.type === 'stream:established' ? [event.authentication] : [],
      )
      expect(proofs).toEqual(['dialback', 'dialback', 'dialback', 'dialback'])
    } finally {
      await demo.stop()
    }
  })

  it('is given up when its caller goes', async () => {
    const caller = new AbortController()
    const demo = await startDemo({ onEvent: () => {}, onLine: () => caller.abort(new Error('gone')) })
    try {
      await expect(demo.converse(caller.signal)).rejects.toThrow('gone')
    } finally {
      await demo.stop()
    }
  })
})

describe('DemoHost', () => {
  const to = 'romeo@montague.example'
  const said = (id: string, more: { to?: string; type?: string } = {}) =>
    message({ from: 'juliet@capulet.example', to, id, body: 'words', ...more })

  it('counts what arrives, errors apart, and gives the rest to the host inside', async () => {
    const host = new DemoHost(embedded(), new Set(['romeo']))
    expect(host.deliver(said('1'))).toEqual({ taken: true })
    expect(host.deliver(said('2', { to: 'nobody@montague.example' }))).toMatchObject({ taken: false })
    host.deliver(said('3', { type: 'error' }))
    expect(host).toMatchObject({ delivered: 2, bounced: 1 })
  })

  it('what is awaited comes once, to who waits for it; who gave up is forgotten', async () => {
    const host = new DemoHost(embedded(), new Set(['romeo']))
    const caller = new AbortController()
    const given = host.receives('2', caller.signal)
    caller.abort(new Error('gone'))
    await expect(given).rejects.toThrow('gone')
    const awaited = host.receives('1', never)
    host.deliver(said('2'))
    host.deliver(said('1'))
    expect((await awaited).id).toBe('1')
    await expect(host.receives('3', caller.signal)).rejects.toThrow('gone')
  })
})

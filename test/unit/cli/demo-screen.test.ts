import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Event } from '../../../src/base/index.ts'
import { DemoScreen } from '../../../src/cli/demo-screen.ts'
import { DemoStreams } from '../../../src/cli/demo-streams.ts'
import { EXIT } from '../../../src/cli/exit.ts'
import type { Io } from '../../../src/cli/io.ts'
import { isthmus } from './capture.ts'

const stream = { local: 'capulet.example', remote: 'montague.example', address: '127.0.0.1' }
const initiating = { role: 'initiating', ...stream } as const

const steps: [string, Event][] = [
  ['capulet.example', { type: 'discovery:started', domain: 'montague.example' }],
  [
    'capulet.example',
    {
      type: 'discovery:found',
      domain: 'montague.example',
      source: 'host-meta.json',
      candidates: ['wss://montague.example/s2s'],
      ms: 12.3,
    },
  ],
  [
    'capulet.example',
    { type: 'identity', role: 'initiating', domain: 'montague.example', ok: true, via: 'dns-id' },
  ],
  [
    'montague.example',
    { type: 'identity', role: 'receiving', domain: 'capulet.example', ok: true, via: 'dns-id' },
  ],
  ['capulet.example', { type: 'stream:open', ...initiating, id: '5eed' }],
  ['capulet.example', { type: 'stream:features', ...initiating, features: ['EXTERNAL'] }],
  ['capulet.example', { type: 'stream:authenticating', ...initiating, mechanism: 'EXTERNAL' }],
  ['capulet.example', { type: 'stream:open', ...initiating, id: '5eed'.repeat(8) }],
  ['capulet.example', { type: 'stream:features', ...initiating, features: [] }],
  [
    'capulet.example',
    {
      type: 'stream:established',
      ...initiating,
      transport: 'websocket',
      tls: 'TLSv1.3',
      authentication: 'sasl-external',
      proof: 'dns-id montague.example',
      bidi: false,
      setupMs: 31.26,
    },
  ],
]

function screenOn(terminal: { isTTY?: boolean; environment?: Record<string, string> }) {
  const written: string[] = []
  const io: Io = {
    out: { write: text => written.push(text), isTTY: terminal.isTTY ?? false },
    err: { write: () => {} },
    answers: null,
    environment: terminal.environment ?? {},
    home: '/',
    signals: new EventEmitter(),
  }
  return { screen: new DemoScreen(io), text: () => written.join('') }
}

function show(terminal: Parameters<typeof screenOn>[0]): string {
  const { screen, text } = screenOn(terminal)
  for (const [domain, event] of steps) screen.event(domain, event)
  screen.line({ from: 'juliet@capulet.example', to: 'romeo@montague.example', text: 'Hello.', ms: 3 })
  return text()
}

describe('the demo on a screen', () => {
  it('shows each step under the stream that it belongs to, in lines of at most 80 characters', () => {
    const lines = show({}).split('\n')
    expect(lines[0]).toBe('capulet.example → montague.example')
    const names = [
      'discovery',
      'identity',
      'identity',
      'open',
      'features',
      'EXTERNAL',
      'restart',
      'established',
    ]
    expect(lines.slice(1, 9).map(line => line.split(/\s+/)[2])).toEqual(names)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    expect(lines.slice(9)).toEqual(['', expect.stringMatching(/^ {2}juliet@capulet\.example +Hello\.$/), ''])
  })

  it('shows under a heading of its own what the one who is dialled asks about a key', () => {
    const { screen, text } = screenOn({})
    const towns = [{ domain: 'capulet.example', port: 1 }]
    screen.start(towns, { clientCertificates: false })
    const asked = {
      local: 'montague.example',
      remote: 'capulet.example',
      address: '127.0.0.1',
      ms: 3,
    } as const
    const trying = { ...stream, url: 'wss://montague.example/s2s', source: 'static' }
    for (const turn of ['first', 'again']) {
      screen.event('capulet.example', { type: 'candidate:trying', ...trying })
      screen.event('capulet.example', { type: 'stream:open', ...initiating, id: turn })
      screen.event('capulet.example', { type: 'stream:authenticating', ...initiating, mechanism: 'DIALBACK' })
      screen.event('montague.example', { type: 'dialback:asked', ...asked, outcome: 'valid', detail: '' })
    }
    screen.event('montague.example', {
      type: 'dialback:asked',
      ...asked,
      outcome: 'invalid',
      detail: 'not its own',
    })
    const step = (name: string) => expect.stringMatching(new RegExp(`^  ✓ ${name} `))
    const dialled = ['', 'capulet.example → montague.example', step('open'), step('DIALBACK')]
    const asking = ['', 'montague.example → capulet.example', step('call-back')]
    const lines = text().split('\n')
    expect(lines[2]).toBe('  No certificate of a client reaches them, as behind a proxy that ends TLS.')
    expect(lines.slice(3)).toEqual([
      ...[...dialled, ...asking],
      ...[...dialled, ...asking],
      '  ✗ call-back    capulet.example: not its own',
      '',
    ])
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('has colour on a terminal only, and says the same without', () => {
    const coloured = show({ isTTY: true })
    expect(coloured).toContain('\u001b[')
    expect(stripVTControlCharacters(coloured)).toBe(show({}))
    expect(show({})).not.toContain('\u001b')
    expect(show({ isTTY: true, environment: { NO_COLOR: '1' } })).toBe(show({}))
    expect(show({ isTTY: true, environment: { TERM: 'dumb' } })).toBe(show({}))
  })

  it('shows what failed, and nothing of a peer’s that could move the cursor', () => {
    const { screen, text } = screenOn({})
    const candidate = { local: 'capulet.example', remote: 'montague.example', url: 'wss://montague.example/' }
    screen.event('capulet.example', {
      type: 'candidate:failed',
      ...candidate,
      reason: 'peer.reported',
      detail: 'no \u001b[2J',
    })
    screen.end()
    screen.event(...(steps[1] ?? ['', { type: 'stopping', deadlineMs: 1 }]))
    expect(text()).toBe(
      'capulet.example → montague.example\n  ✗ connection   wss://montague.example/: no \\u{1b}[2J\n',
    )
  })
})

describe('the demo’s streams', () => {
  it('are told once each, by the side that opened them', () => {
    const streams = new DemoStreams()
    for (const [, event] of steps) {
      streams.see(event)
      if (event.type === 'stream:established') streams.see({ ...event, role: 'receiving' })
    }
    expect(streams.list).toEqual([
      {
        from: 'capulet.example',
        to: 'montague.example',
        transport: 'websocket',
        tls: 'TLSv1.3',
        authentication: 'sasl-external',
        setupMs: 31.3,
      },
    ])
  })
})

describe('isthmus demo', () => {
  it('knows no other option', async () => {
    expect((await isthmus(['demo', '--twice'])).code).toBe(EXIT.usage)
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Event } from '../../../src/base/index.ts'
import { createLogger, EventLog } from '../../../src/gateway/log.ts'
import { VirtualClock } from '../../kit/clock.ts'

const established: Event = {
  type: 'stream:established',
  role: 'receiving',
  local: 'capulet.example',
  remote: 'montague.example',
  address: '192.0.2.7',
  transport: 'websocket',
  tls: 'TLSv1.3',
  authentication: 'sasl-external',
  proof: 'dns-id montague.example',
  bidi: false,
  setupMs: 12.4,
}

const refused = (address: string): Event => ({
  type: 'connection:refused',
  address,
  reason: 'limit',
  detail: 'too many connections',
})

let lines: string[]
let clock: VirtualClock
let log: EventLog

beforeEach(() => {
  lines = []
  clock = new VirtualClock()
  const logger = createLogger({ level: 'info', format: 'json' }, { write: line => lines.push(line) })
  log = new EventLog(logger, defaultLimits, clock)
})

function written(): Record<string, unknown>[] {
  return lines.map(line => {
    const { time, ...rest }: Record<string, unknown> = JSON.parse(line)
    expect(time).toEqual(expect.any(String))
    return rest
  })
}

describe('the log', () => {
  it('has one line per established stream that names how it was proved', () => {
    log.write(established)
    expect(written()).toEqual([
      {
        level: 'info',
        msg: 'stream established',
        event: 'stream:established',
        role: 'receiving',
        local: 'capulet.example',
        remote: 'montague.example',
        address: '192.0.2.7',
        transport: 'websocket',
        tls: 'TLSv1.3',
        authentication: 'sasl-external',
        proof: 'dns-id montague.example',
        bidi: false,
        setupMs: 12,
      },
    ])
  })

  it('has one line per refusal that names the rule', () => {
    log.write({
      type: 'identity',
      role: 'receiving',
      domain: 'montague.example',
      ok: false,
      reason: 'expired',
    })
    log.write({
      type: 'stream:ended',
      role: 'receiving',
      local: 'capulet.example',
      remote: 'montague.example',
      address: '192.0.2.7',
      established: false,
      reason: 'peer.violation',
      detail: 'the peer broke a rule of the protocol (WS-24): a message without an element',
      lifeMs: 3,
    })
    expect(written()).toEqual([
      expect.objectContaining({
        level: 'warn',
        msg: 'stream refused',
        reason: 'peer.violation',
        detail: 'the peer broke a rule of the protocol (WS-24): a message without an element',
      }),
    ])
  })

  it('tells a refusal of what we attempted once, by its candidate', () => {
    const pair = { local: 'capulet.example', remote: 'montague.example' }
    const why = { reason: 'peer.identity', detail: 'the certificate was refused (name-mismatch)' }
    const stream = { role: 'initiating', ...pair, address: '192.0.2.7' } as const
    log.write({ type: 'stream:ended', ...stream, established: false, ...why, lifeMs: 3 })
    log.write({ type: 'candidate:failed', ...pair, url: 'wss://montague.example/', ...why })
    expect(written().map(({ msg, reason }) => [msg, reason])).toEqual([['candidate failed', 'peer.identity']])
  })

  it('warns of what a stranger, or a proxy that is set up badly, says of itself', () => {
    const detail = 'a certificate from 192.0.2.7, which is no proxy of ours'
    log.write({ type: 'forwarded:ignored', address: '192.0.2.7', field: 'client-cert', detail })
    expect(written()).toEqual([
      {
        level: 'warn',
        msg: 'forwarded field ignored',
        event: 'forwarded:ignored',
        address: '192.0.2.7',
        field: 'client-cert',
        detail,
      },
    ])
  })

  it('a host that breaks is an error', () => {
    log.write({ type: 'host:failed', domain: 'capulet.example', detail: 'TypeError: …' })
    expect(written()).toEqual([expect.objectContaining({ level: 'error', domain: 'capulet.example' })])
  })

  it('cuts and escapes what a peer said', () => {
    log.write({ ...established, remote: `evil\n{"level":"info"}\u001b[2J${'x'.repeat(200)}` })
    const [line] = written()
    expect(lines).toHaveLength(1)
    expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1)
    expect(line?.['remote']).toBe(`evil\\u{a}{"level":"info"}\\u{1b}[2J${'x'.repeat(103)}…`)
  })

  it('writes at most 20 lines a second of one address, then a summary', () => {
    for (let count = 0; count < 50; count++) log.write(refused('192.0.2.7'))
    for (let count = 0; count < 3; count++) log.write(established)
    log.write(refused('192.0.2.8'))
    expect(lines).toHaveLength(21)
    lines.length = 0
    clock.advance(1_000)
    expect(written()).toEqual([
      {
        level: 'warn',
        msg: 'lines held back',
        event: 'log:summary',
        address: '192.0.2.7',
        heldBack: { 'connection refused': 30, 'stream established': 3 },
      },
    ])
    lines.length = 0
    for (let count = 0; count < 25; count++) log.write(refused('192.0.2.7'))
    expect(lines).toHaveLength(20)
    log.close()
    expect(written().at(-1)).toMatchObject({ heldBack: { 'connection refused': 5 } })
  })

  it('counts one IPv6 network, and one IPv4 address however it is written, as one', () => {
    for (let count = 0; count < 15; count++) log.write(refused(`2001:db8:0:1::${count}`))
    for (let count = 0; count < 15; count++) log.write(refused(`2001:db8::1:0:0:0:${count}`))
    expect(lines).toHaveLength(20)
    log.write(refused('2001:db8:0:2::1'))
    expect(lines).toHaveLength(21)
    for (let count = 0; count < 15; count++) log.write(refused('::ffff:192.0.2.7'))
    for (let count = 0; count < 15; count++) log.write(refused('192.0.2.7'))
    expect(lines).toHaveLength(41)
  })

  it('counts only so many addresses', () => {
    const logger = createLogger({ level: 'info', format: 'json' }, { write: line => lines.push(line) })
    const small = new EventLog(logger, { ...defaultLimits, logAddresses: 2, logLinesPerSecond: 1 }, clock)
    small.write(refused('192.0.2.1'))
    small.write(refused('192.0.2.1'))
    small.write(refused('192.0.2.2'))
    small.write(refused('192.0.2.3'))
    expect(written().map(line => [line['msg'], line['address']])).toEqual([
      ['connection refused', '192.0.2.1'],
      ['connection refused', '192.0.2.2'],
      ['lines held back', '192.0.2.1'],
      ['connection refused', '192.0.2.3'],
    ])
  })

  it('leaves no timer behind when all is quiet', () => {
    log.write(refused('192.0.2.7'))
    clock.advance(5_000)
    expect(clock.pending()).toBe(0)
  })

  it('leaves out what its level leaves out', () => {
    log.write({ type: 'discovery:started', domain: 'montague.example' })
    expect(lines).toEqual([])
  })

  it('can be read by a person', () => {
    const logger = createLogger({ level: 'info', format: 'text' }, { write: line => lines.push(line) })
    new EventLog(logger, defaultLimits, clock).write(established)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(
      /^\S+Z info {2}stream established event=stream:established role=receiving local=capulet\.example .*proof="dns-id montague\.example" bidi=false setupMs=12\n$/,
    )
  })
})

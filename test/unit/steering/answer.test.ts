import { decode } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { type Plan, planFor, type Service, steeredAnswer } from '../../../src/steering/answer.ts'
import type { Via } from '../../../src/steering/message.ts'
import { type Query, readQuery } from '../../../src/steering/query.ts'
import { queryFor, rcodeOf, withOpt } from '../../kit/steering.ts'

const facts = { port: 15_269, ttlMs: 60_000 }

function queryOf(message: Buffer): Query {
  const read = readQuery(message, { steeringQueryBytes: 4_096 })
  if (!read.ok) throw new Error('not a query')
  return read.query
}

const plan = (name: string, type = 'SRV'): Plan => planFor(queryOf(queryFor(name, type)), 'udp', facts)
const steered = (message: Buffer, service: Service, via: Via = 'udp') =>
  steeredAnswer(queryOf(message), service, via, facts)

describe('what a question gets', () => {
  it.each([
    ['_xmpp-server._tcp.montague.example', 'montague.example', 'xmpp-server'],
    ['_XMPP-Server._TCP.Montague.EXAMPLE', 'montague.example', 'xmpp-server'],
    ['_xmpps-server._tcp.rooms.montague.example', 'rooms.montague.example', 'xmpps-server'],
    ['_xmpp-server._tcp.xn--bcher-kva.example', 'bücher.example', 'xmpp-server'],
  ])('%s: a decision', (name, domain, service) => {
    expect(plan(name)).toEqual({ kind: 'decide', domain, service })
  })

  it.each([
    ['_xmpp-server._tcp.montague.example', 'A'],
    ['_xmpp-server._tcp.montague.example', 'TXT'],
    ['_xmpp-server._tcp.montague.example', 'ANY'],
    ['montague.example', 'SRV'],
    ['montague.example', 'A'],
    ['_xmpp-client._tcp.montague.example', 'SRV'],
    ['_xmpp-server._udp.montague.example', 'SRV'],
    ['x._xmpp-server._tcp.montague.example', 'SRV'],
    ['_xmpp-server._tcp', 'SRV'],
    ['_xmpp-server._tcp.montague', 'SRV'],
    ['_xmpp-server._tcp.1.2.3.4', 'SRV'],
    ['_xmpp-server._tcp.montague.local', 'SRV'],
    ['_xmpp-server._tcp.under_score.example', 'SRV'],
    ['_xmpp-server._tcp.xn--zzzz.example', 'SRV'],
    ['localhost.example', 'A'],
    ['.', 'NS'],
  ])('%s %s: the upstream', (name, type) => {
    expect(plan(name, type)).toEqual({ kind: 'forward' })
  })

  it.each([
    ['localhost', 'A', '127.0.0.1'],
    ['LocalHost', 'A', '127.0.0.1'],
    ['ip.localhost', 'AAAA', '::1'],
    ['localhost', 'MX', null],
    ['_xmpp-server._tcp.localhost', 'SRV', null],
  ])('%s %s is answered here', (name, type, data) => {
    const planned = plan(name, type)
    if (planned.kind !== 'answer') throw new Error(planned.kind)
    const { answers, authorities } = decode(planned.message)
    expect(rcodeOf(planned.message)).toBe(0)
    if (data === null)
      expect([answers, authorities]).toMatchObject([[], [{ type: 'SOA', name: 'localhost' }]])
    else expect(answers).toMatchObject([{ type, data, ttl: 60 }])
  })

  it('zones are not transferred', () => {
    for (const type of ['AXFR', 'IXFR']) {
      const planned = plan('montague.example', type)
      expect(planned.kind === 'answer' && rcodeOf(planned.message)).toBe(5)
    }
  })
})

describe('a steered domain', () => {
  it('is at the gateway', () => {
    const message = queryFor('_xmpp-server._tcp.montague.example')
    const answer = decode(steered(message, 'xmpp-server'))
    expect(answer).toMatchObject({
      id: 0x1234,
      type: 'response',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_tc: false,
      questions: [{ name: '_xmpp-server._tcp.montague.example', type: 'SRV', class: 'IN' }],
      answers: [
        {
          name: '_xmpp-server._tcp.montague.example',
          type: 'SRV',
          class: 'IN',
          ttl: 60,
          data: { priority: 0, weight: 0, port: 15_269, target: 'localhost' },
        },
      ],
      authorities: [],
      additionals: [],
    })
  })

  it('has no TLS from the first byte, for as long as the answer says', () => {
    const answer = steered(queryFor('_xmpps-server._tcp.montague.example'), 'xmpps-server')
    expect(rcodeOf(answer)).toBe(3)
    expect(decode(answer)).toMatchObject({
      answers: [],
      authorities: [
        { type: 'SOA', name: '_tcp.montague.example', ttl: 60, data: { minimum: 60, mname: 'localhost' } },
      ],
    })
  })

  it('gets its question back in its own spelling', () => {
    const message = queryFor('_xMpP-sErVeR._tCp.MONTAGUE.example')
    const answer = steered(message, 'xmpp-server')
    expect(answer.subarray(12, message.length)).toEqual(message.subarray(12))
  })

  it('an asker who knows EDNS is answered with it, and its DO', () => {
    const message = queryFor('_xmpp-server._tcp.montague.example', 'SRV', withOpt())
    message.writeUInt16BE(0x8000, message.length - 4)
    expect(decode(steered(message, 'xmpp-server')).additionals).toMatchObject([
      { type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0, flag_do: true },
    ])
  })

  it('a version of EDNS that nobody knows is refused with ours', () => {
    const message = queryFor('_xmpp-server._tcp.montague.example', 'SRV', withOpt(1232, 1))
    const { answers, additionals } = decode(steered(message, 'xmpp-server'))
    expect([answers, additionals]).toMatchObject([[], [{ extendedRcode: 1, ednsVersion: 0 }]])
  })

  it('an answer that does not fit UDP is cut, and whole over TCP', () => {
    const long = `_xmpp-server._tcp.${Array(3).fill('a'.repeat(63)).join('.')}.${'b'.repeat(35)}.example`
    const answer = steered(queryFor(long), 'xmpp-server')
    expect(answer.length).toBeLessThanOrEqual(512)
    expect(decode(answer)).toMatchObject({ flag_tc: true, answers: [] })
    expect(decode(steered(queryFor(long), 'xmpp-server', 'tcp'))).toMatchObject({
      flag_tc: false,
      answers: [{ type: 'SRV' }],
    })
    expect(decode(steered(queryFor(long, 'SRV', withOpt()), 'xmpp-server'))).toMatchObject({ flag_tc: false })
  })
})

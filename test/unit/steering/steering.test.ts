import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { connect, createServer } from 'node:net'
import { decode } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import {
  askOverTcp,
  askOverUdp,
  deafEndpoint,
  queryFor,
  rcodeOf,
  replyTo,
  stage,
  steeringScene,
  withOpt,
} from '../../kit/steering.ts'

const { closing, upstreamOf, open } = steeringScene()

const STEERED = '_xmpp-server._tcp.montague.example'
const OTHER = '_xmpp-server._tcp.capulet.example'
const record = {
  type: 'SRV',
  name: OTHER,
  ttl: 300,
  data: { port: 5269, target: 'xmpp.capulet.example' },
} as const

describe('a resolver of Node', () => {
  it('finds the gateway for a steered domain, and the rest of the world for others', async () => {
    const upstream = await upstreamOf(({ message, decoded }) => [
      replyTo(message, decoded.questions?.[0]?.name === OTHER ? { answers: [record] } : { rcode: 3 }),
    ])
    const { port, decided, events, steering } = await open({ upstream: [upstream.endpoint] })
    const resolver = new Resolver({ timeout: 5_000, tries: 1 })
    resolver.setServers([`127.0.0.1:${port}`])
    // Node 24 tells the type of each record too.
    const here = [{ name: 'localhost', port: 15_269, priority: 0, weight: 0 }]
    expect(await resolver.resolveSrv(STEERED)).toMatchObject(here)
    expect(await resolver.resolveSrv('_xmpp-server._tcp.xn--mnchen-3ya.example')).toMatchObject(here)
    await expect(resolver.resolveSrv('_xmpps-server._tcp.montague.example')).rejects.toMatchObject({
      code: 'ENOTFOUND',
    })
    expect(await resolver.resolve4('localhost')).toEqual(['127.0.0.1'])
    expect(await resolver.resolve6('localhost')).toEqual(['::1'])
    expect(upstream.arrived).toEqual([])
    expect(await resolver.resolveSrv(OTHER)).toMatchObject([
      { name: 'xmpp.capulet.example', port: 5269, priority: 0, weight: 0 },
    ])
    await expect(resolver.resolve4('montague.example')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    expect(decided).toEqual(['montague.example', 'münchen.example', 'montague.example', 'capulet.example'])
    expect(events[0]).toEqual({ type: 'steering:listening', ...steering.listening[0] })
  })
})

describe('what is not steered', () => {
  it('goes on as it came, UDP by UDP and TCP by TCP, and so do its answers', async () => {
    const upstream = await upstreamOf(({ message }) => [
      replyTo(message, { answers: [record], ...withOpt(4_000) }),
    ])
    const { port } = await open({ upstream: [upstream.endpoint] })
    const query = queryFor(OTHER, 'SRV', withOpt(1_400))
    const overUdp = await askOverUdp(port, query)
    const [overTcp] = await askOverTcp(port, [query])
    expect(upstream.arrived.map(({ via }) => via)).toEqual(['udp', 'tcp'])
    for (const { message } of upstream.arrived) expect(message.subarray(2)).toEqual(query.subarray(2))
    const expected = replyTo(query, { answers: [record], ...withOpt(4_000) })
    expect(overUdp).toEqual(expected)
    expect(overTcp).toEqual(expected)
  })

  it('is cut where the upstream cut it, and whole over TCP', async () => {
    const answers = Array.from({ length: 800 }, () => record)
    const upstream = await upstreamOf(({ message, via }) => {
      const reply = replyTo(message, via === 'udp' ? {} : { answers })
      if (via === 'udp') reply.writeUInt16BE(0x8380, 2)
      return [reply]
    })
    const { port } = await open({ upstream: [upstream.endpoint] })
    expect(decode(await askOverUdp(port, queryFor(OTHER))).flag_tc).toBe(true)
    const [whole] = await askOverTcp(port, [queryFor(OTHER)])
    expect(whole?.length).toBeGreaterThan(50_000)
    expect(decode(whole ?? Buffer.alloc(0)).answers).toHaveLength(800)
  })

  it('is asked under ids and from ports of its own', async () => {
    const upstream = await upstreamOf()
    const { port } = await open({ upstream: [upstream.endpoint] })
    for (let count = 0; count < 32; count++) await askOverUdp(port, queryFor(OTHER))
    const ids = new Set(upstream.arrived.map(({ message }) => message.readUInt16BE(0)))
    const ports = new Set(upstream.arrived.map(from => from.port))
    // 32 draws of 65 536 and of some 28 000: five of one kind that repeat do not happen.
    expect(ids.size).toBeGreaterThan(27)
    expect(ports.size).toBeGreaterThan(27)
  })

  it('goes to the next upstream where nobody is at the first, over both', async () => {
    const upstream = await upstreamOf()
    const { port } = await open({ upstream: [await deafEndpoint(), upstream.endpoint] })
    expect(rcodeOf(await askOverUdp(port, queryFor(OTHER)))).toBe(3)
    const [answer] = await askOverTcp(port, [queryFor(OTHER)])
    expect(answer && rcodeOf(answer)).toBe(3)
    expect(upstream.arrived).toHaveLength(2)
  })

  it('goes to the next upstream where the first is silent, over both', async () => {
    const silent = await upstreamOf(() => [])
    const upstream = await upstreamOf()
    const limits = { steeringStaggerMs: 50 }
    const { port } = await open({ upstream: [silent.endpoint, upstream.endpoint], limits })
    expect(rcodeOf(await askOverUdp(port, queryFor(OTHER)))).toBe(3)
    const [answer] = await askOverTcp(port, [queryFor(OTHER)])
    expect(answer && rcodeOf(answer)).toBe(3)
  })

  it('fails where no upstream answers, which is told now and then', async () => {
    const silent = await upstreamOf(() => [])
    const limits = { steeringForwardMs: 100 }
    const { port, events } = await open({ upstream: [silent.endpoint], limits })
    const query = queryFor('montague.example', 'A', withOpt())
    for (let count = 0; count < 3; count++) {
      const answer = decode(await askOverUdp(port, query))
      expect(answer).toMatchObject({
        id: 0x1234,
        flag_aa: false,
        flag_ra: true,
        questions: [{ name: 'montague.example', type: 'A' }],
        additionals: [{ type: 'OPT' }],
      })
      expect(answer).toMatchObject({ rcode: 'SERVFAIL' })
    }
    const { address, port: at } = silent.endpoint
    expect(events.filter(({ type }) => type === 'steering:forward-failed')).toEqual([
      { type: 'steering:forward-failed', upstream: `${address}:${at}`, detail: 'no answer', count: 1 },
    ])
  })

  it('is also what is decided too late, or not at all', async () => {
    const upstream = await upstreamOf()
    const decide = (domain: string) =>
      domain === 'montague.example' ? new Promise<boolean>(() => {}) : Promise.reject(new Error('broken'))
    const { port, events } = await open({
      upstream: [upstream.endpoint],
      decide,
      limits: { steeringDecisionMs: 50 },
    })
    expect(rcodeOf(await askOverUdp(port, queryFor(STEERED)))).toBe(3)
    expect(rcodeOf(await askOverUdp(port, queryFor(OTHER)))).toBe(3)
    expect(upstream.arrived).toHaveLength(2)
    expect(events.slice(1)).toMatchObject([
      { outcome: 'late' },
      { outcome: 'failed', detail: 'Error: broken' },
    ])
  })
})

describe('over TCP', () => {
  it('several questions of one connection are answered, each when its answer is there', async () => {
    let resolve = () => {}
    const decided = new Promise<void>(done => {
      resolve = done
    })
    const upstream = await upstreamOf(async ({ message }) => {
      await decided
      return [replyTo(message)]
    })
    const { port } = await open({
      upstream: [upstream.endpoint],
      decide: domain => {
        resolve()
        return domain.startsWith('m')
      },
    })
    const answers = await askOverTcp(port, [
      queryFor('capulet.example', 'A', { id: 1 }),
      queryFor(STEERED, 'SRV', { id: 2 }),
    ])
    expect(answers.map(answer => answer.readUInt16BE(0))).toEqual([2, 1])
  })

  it('more than we take at once are all answered', async () => {
    const upstream = await upstreamOf()
    const { port } = await open({ upstream: [upstream.endpoint], limits: { steeringPipelined: 2 } })
    const queries = Array.from({ length: 40 }, (_, id) => queryFor(id % 2 ? STEERED : OTHER, 'SRV', { id }))
    const answers = await askOverTcp(port, queries)
    const ids = answers.map(answer => answer.readUInt16BE(0)).sort((one, other) => one - other)
    expect(ids).toEqual(Array.from({ length: 40 }, (_, id) => id))
  })
})

describe('addresses', () => {
  it('both families, one port for both protocols', async () => {
    const upstream = await upstreamOf()
    const listen = [
      { address: '127.0.0.1', port: 0 },
      { address: '::1', port: 0 },
    ]
    const { steering } = await open({ upstream: [upstream.endpoint], listen })
    expect(steering.listening).toHaveLength(2)
    for (const { address, port } of steering.listening) {
      const udp = await askOverUdp(port, queryFor(STEERED), address)
      const [tcp] = await askOverTcp(port, [queryFor(STEERED)], address)
      expect(tcp).toEqual(udp)
      expect(decode(udp).answers).toHaveLength(1)
    }
  })

  it('what cannot work is refused, and nothing stays bound', async () => {
    const upstream = await upstreamOf()
    const refused = (listen: string, to = upstream.endpoint) =>
      stage({ listen: [{ address: listen, port: to.port }], upstream: [to] })
    await expect(refused('0.0.0.0')).rejects.toThrow(TypeError)
    await expect(refused('127.0.0.1')).rejects.toThrow('is this responder itself')
    await expect(
      refused('127.0.0.1', { address: '::ffff:127.0.0.1', port: upstream.endpoint.port }),
    ).rejects.toThrow(TypeError)
  })

  it('an address that is taken, for either protocol, leaves nothing bound', async () => {
    const upstream = await upstreamOf()
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    closing.push(() => new Promise(resolve => taken.close(() => resolve())))
    const bound = taken.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    const first = await deafEndpoint()
    const listen = [first, { address: '127.0.0.1', port }]
    await expect(stage({ listen, upstream: [upstream.endpoint] })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    const udp = createSocket('udp4')
    closing.push(() => new Promise(resolve => udp.close(() => resolve())))
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject)
      udp.bind(port, '127.0.0.1', resolve)
    })
    await open({ listen: [first], upstream: [upstream.endpoint] })
  })

  it('closes at once, and twice; what waits gets nothing', async () => {
    const silent = await upstreamOf(() => [])
    const { port, steering } = await stage({ upstream: [silent.endpoint] })
    const waiting = askOverTcp(port, [queryFor(OTHER)])
    await expect.poll(() => silent.arrived.length).toBe(1)
    const idle = connect(port, '127.0.0.1')
    const ended = new Promise<void>(resolve => idle.on('close', () => resolve()))
    await new Promise<void>(resolve => idle.on('connect', resolve))
    await Promise.all([steering.close(), steering.close()])
    expect(await waiting).toEqual([])
    await ended
    await open({ listen: steering.listening, upstream: [silent.endpoint] })
  })

  it('a decision that comes after the end does no harm', async () => {
    const upstream = await upstreamOf()
    const settle: ((steered: boolean) => void)[] = []
    const decide = () => new Promise<boolean>(resolve => settle.push(resolve))
    const { port, steering } = await stage({ upstream: [upstream.endpoint], decide })
    const socket = createSocket('udp4')
    closing.push(() => new Promise(resolve => socket.close(() => resolve())))
    for (const name of [STEERED, OTHER]) socket.send(queryFor(name), port, '127.0.0.1')
    await expect.poll(() => settle.length).toBe(2)
    await steering.close()
    settle[0]?.(true)
    settle[1]?.(false)
    await new Promise(resolve => setImmediate(resolve))
    expect(upstream.arrived).toEqual([])
  })
})

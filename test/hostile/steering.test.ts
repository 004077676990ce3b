import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { decode, encode } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import type { Limits } from '../../src/base/index.ts'
import {
  askOverTcp,
  askOverUdp,
  framed,
  queryFor,
  rcodeOf,
  replyTo,
  type Stage,
  steeringScene,
} from '../kit/steering.ts'

// Whoever is on this machine may ask the responder, and whoever can reach the upstream's path may answer in its place.

const STEERED = '_xmpp-server._tcp.montague.example'
const OTHER = 'capulet.example'

const { closing, upstreamOf, open } = steeringScene()

async function socketOf(): Promise<UdpSocket> {
  const socket = createSocket('udp4')
  closing.push(() => new Promise(resolve => socket.close(() => resolve())))
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return socket
}

/** It still does what it is for. */
async function unharmed({ port }: Stage): Promise<void> {
  expect(decode(await askOverUdp(port, queryFor(STEERED))).answers).toHaveLength(1)
  const [answer] = await askOverTcp(port, [queryFor(STEERED)])
  expect(answer && decode(answer).answers).toHaveLength(1)
}

const udpSockets = () => process.getActiveResourcesInfo().filter(name => name.startsWith('UDP')).length

/** The same pseudo-random bytes each time. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('messages', () => {
  it('garbage and mutations: an answer with the id, or none, and nothing else', async () => {
    const upstream = await upstreamOf(() => [])
    const set = await open({ upstream: [upstream.endpoint], limits: { steeringForwardMs: 200 } })
    const socket = await socketOf()
    const answers: Buffer[] = []
    socket.on('message', answer => answers.push(answer))
    const next = generator(1)
    const template = queryFor(STEERED, 'SRV', {
      additionals: [{ type: 'TXT', name: 'a.example', data: 'x' }],
    })
    for (let count = 0; count < 4_000; count++) {
      const message =
        count % 4 === 0
          ? Buffer.from(Array.from({ length: next(64) }, () => next(256)))
          : Buffer.from(template)
      for (let changes = next(4); changes > 0 && message.length > 0; changes--)
        message[next(message.length)] = next(256)
      socket.send(message.subarray(0, 1 + next(message.length)), set.port, '127.0.0.1')
      if (count % 50 === 0) await new Promise(resolve => setTimeout(resolve, 5))
    }
    await unharmed(set)
    await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThan(100)
    for (const answer of answers) {
      expect(answer.length).toBeGreaterThanOrEqual(12)
      expect(answer.readUInt16BE(2) >> 15).toBe(1)
    }
  })

  it('answers are not answered, so that no two responders talk for ever', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint] })
    const socket = await socketOf()
    const answers: Buffer[] = []
    socket.on('message', answer => answers.push(answer))
    const response = encode({ type: 'response', id: 7, questions: [{ type: 'SRV', name: STEERED }] })
    const malformed = Buffer.alloc(12)
    malformed.writeUInt16BE(0x8001, 2)
    for (let count = 0; count < 50; count++)
      for (const message of [response, malformed]) socket.send(message, set.port, '127.0.0.1')
    await unharmed(set)
    expect(answers).toEqual([])
    expect(upstream.arrived).toEqual([])
  })

  it('the costliest message: pointers all the way down, in the largest size', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint] })
    const message = Buffer.alloc(4_096)
    queryFor('a.example').copy(message, 0, 0, 12)
    for (let at = 12; at + 2 <= message.length; at += 2) message.writeUInt16BE(0xc000 | (at - 2), at)
    for (const questions of [1, 2, 65_535]) {
      message.writeUInt16BE(questions, 4)
      expect(rcodeOf(await askOverUdp(set.port, message))).toBe(1)
    }
    await unharmed(set)
  })

  it('64 KiB over UDP and TCP', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint] })
    const large = Buffer.concat([queryFor(OTHER, 'A'), Buffer.alloc(60_000)])
    expect(rcodeOf(await askOverUdp(set.port, large))).toBe(1)
    // A length that is announced is enough.
    expect(await askOverTcp(set.port, [large.subarray(0, 4_097)]).catch(() => [])).toEqual([])
    expect(upstream.arrived).toEqual([])
    await unharmed(set)
  })
})

describe('answers in the name of the upstream', () => {
  const forged = (message: Buffer, change: (copy: Buffer) => void) => {
    const copy = replyTo(message, {
      answers: [{ type: 'A', name: OTHER, ttl: 86_400, data: '192.0.2.66' }],
    })
    change(copy)
    return copy
  }

  it('over UDP: with another id, for another question, or from elsewhere do not count', async () => {
    const upstream = await upstreamOf(({ message }, elsewhere) => {
      elsewhere(forged(message, () => {}))
      const ids = Array.from({ length: 200 }, (_, index) =>
        forged(message, copy => copy.writeUInt16BE((copy.readUInt16BE(0) + 1 + index) & 0xffff, 0)),
      )
      return [
        ...ids,
        forged(message, copy => copy.write('mallory', 13)),
        forged(message, copy => copy.writeUInt16BE(28, 12 + OTHER.length + 2)),
        forged(message, copy => copy.writeUInt16BE(0x0100, 2)),
        Buffer.alloc(0),
        Buffer.alloc(40_000, 0xff),
        replyTo(message, { answers: [{ type: 'A', name: OTHER, ttl: 60, data: '192.0.2.1' }] }),
      ]
    })
    const set = await open({ upstream: [upstream.endpoint] })
    for (let count = 0; count < 20; count++) {
      const answer = decode(await askOverUdp(set.port, queryFor(OTHER, 'A')))
      expect(answer.answers).toMatchObject([{ data: '192.0.2.1' }])
    }
    await unharmed(set)
  })

  it('over UDP: forgeries alone are no answer', async () => {
    const upstream = await upstreamOf(({ message }, elsewhere) => {
      elsewhere(forged(message, () => {}))
      return [forged(message, copy => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 0x8000, 0))]
    })
    const set = await open({ upstream: [upstream.endpoint], limits: { steeringForwardMs: 200 } })
    expect(rcodeOf(await askOverUdp(set.port, queryFor(OTHER, 'A')))).toBe(2)
  })

  it.each<[string, (socket: Socket, query: Buffer) => void]>([
    [
      'another id',
      (socket, query) =>
        socket.write(framed(forged(query, copy => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0)))),
    ],
    [
      'another question',
      (socket, query) => socket.write(framed(forged(query, copy => copy.write('mallory', 13)))),
    ],
    ['an empty message', socket => socket.write(Buffer.from([0, 0]))],
    ['a length and nothing', socket => socket.write(Buffer.from([0xff, 0xff]))],
    ['bytes without end', socket => socket.write(Buffer.alloc(1 << 20, 0xff))],
    ['an end', socket => socket.end()],
    ['a reset', socket => socket.resetAndDestroy()],
    ['nothing', () => {}],
  ])('over TCP: %s is a failure', async (_, act) => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', chunk => act(socket, chunk.subarray(2)))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    })
    const bound = server.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    const set = await open({
      upstream: [{ address: '127.0.0.1', port }],
      limits: { steeringForwardMs: 300 },
    })
    const [answer] = await askOverTcp(set.port, [queryFor(OTHER, 'A')])
    expect(answer && rcodeOf(answer)).toBe(2)
    expect(set.events.filter(({ type }) => type === 'steering:forward-failed')).toHaveLength(1)
    await unharmed(set)
  })
})

describe('floods', () => {
  const limits: Partial<Limits> = {
    steeringQueries: 32,
    steeringForwardMs: 1_000,
    steeringConnections: 8,
    steeringIdleMs: 300,
  }

  it('of questions that the upstream does not answer: so many wait, the others are told; sockets stay bounded', async () => {
    const silent = await upstreamOf(() => [])
    const set = await open({ upstream: [silent.endpoint], limits })
    const socket = await socketOf()
    const counts = new Map<number, number>()
    socket.on('message', answer => counts.set(rcodeOf(answer), (counts.get(rcodeOf(answer)) ?? 0) + 1))
    const before = udpSockets()
    let most = 0
    for (let count = 0; count < 4_000; count++) {
      socket.send(queryFor(`${count}.example`, 'A', { id: count }), set.port, '127.0.0.1')
      if (count % 20 === 0) await new Promise(resolve => setImmediate(resolve))
      most = Math.max(most, udpSockets())
    }
    // While they wait, what needs no upstream is answered.
    await unharmed(set)
    expect(most).toBeLessThanOrEqual(before + 32 + 1)
    expect(silent.arrived.length).toBeGreaterThan(0)
    await expect.poll(udpSockets, { timeout: 10_000 }).toBeLessThanOrEqual(before)
    await expect.poll(() => counts.get(2) ?? 0, { timeout: 10_000 }).toBeGreaterThan(100)
    expect([...counts.keys()]).toEqual([2])
    expect(set.events.filter(({ type }) => type === 'steering:refused')).toHaveLength(1)
    expect(set.events.filter(({ type }) => type === 'steering:forward-failed')).toHaveLength(1)
  })

  it('of domains whose decision never comes: so many wait, and what is decided meanwhile is forwarded', async () => {
    const upstream = await upstreamOf()
    const set = await open({
      upstream: [upstream.endpoint],
      decide: () => new Promise<boolean>(() => {}),
      limits: { ...limits, steeringDecisionMs: 20 },
    })
    const names = Array.from({ length: 400 }, (_, index) => `_xmpp-server._tcp.d${index}.example`)
    for (const name of names) expect([2, 3]).toContain(rcodeOf(await askOverUdp(set.port, queryFor(name))))
    expect(set.decided).toHaveLength(32)
    expect(
      set.events.filter(event => event.type === 'steering:decided' && event.outcome === 'late'),
    ).toHaveLength(32)
  })

  it('of questions about one domain that is undecided: so many wait, the others are told', async () => {
    const upstream = await upstreamOf()
    let settle = (_: boolean) => {}
    const decide = () =>
      new Promise<boolean>(resolve => {
        settle = resolve
      })
    const set = await open({
      upstream: [upstream.endpoint],
      decide,
      limits: { ...limits, steeringPipelined: 64 },
    })
    const asked = askOverTcp(
      set.port,
      Array.from({ length: 40 }, (_, id) => queryFor(STEERED, 'SRV', { id })),
    )
    await expect.poll(() => set.events.some(({ type }) => type === 'steering:refused')).toBe(true)
    settle(true)
    const answers = await asked
    expect(answers.filter(answer => rcodeOf(answer) === 2)).toHaveLength(8)
    expect(answers.filter(answer => rcodeOf(answer) === 0)).toHaveLength(32)
    expect(set.decided).toEqual(['montague.example'])
  })

  it('of answered questions leave no memory behind', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint], limits: { steeringQueries: 256 } })
    const batch = async (count: number, label: string) => {
      for (let done = 0; done < count; done += 50)
        await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            askOverUdp(set.port, queryFor(`_xmpp-server._tcp.${label}${done + index}.example`)),
          ),
        )
      upstream.arrived.length = 0
      set.events.length = 0
      set.decided.length = 0
      await new Promise(resolve => setTimeout(resolve, 50))
      globalThis.gc?.()
      return process.memoryUsage().heapUsed
    }
    await batch(1_000, 'w')
    const before = await batch(1_000, 'x')
    const after = await batch(4_000, 'y')
    expect(after - before).toBeLessThan(2 * 1024 * 1024)
  })

  it('of connections: so many are taken, and each that does nothing is ended', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint], limits })
    const before = process.getActiveResourcesInfo().length
    const sockets = Array.from({ length: 40 }, () => connect(set.port, '127.0.0.1'))
    const ended = sockets.map(
      socket =>
        new Promise<void>(resolve => {
          socket.on('error', () => {})
          socket.on('close', () => resolve())
          socket.resume()
        }),
    )
    // Half a question, a byte at a time, is nothing.
    const bytes = framed(queryFor(STEERED)).subarray(0, -1)
    let at = 0
    const dribble = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write(bytes.subarray(at, at + 1))
      at += 1
    }, 20)
    await Promise.all(ended)
    clearInterval(dribble)
    await unharmed(set)
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before + 4)
  })

  it('of connections: one too many is ended, and those that are there stay', async () => {
    const upstream = await upstreamOf()
    const set = await open({ upstream: [upstream.endpoint], limits: { steeringConnections: 2 } })
    const sockets = await Promise.all(
      Array.from({ length: 2 }, async () => {
        const socket = connect(set.port, '127.0.0.1')
        await new Promise<void>(resolve => socket.on('connect', resolve))
        // It is taken, not merely in the kernel's queue, once it is answered.
        await exchange(socket)
        return socket
      }),
    )
    closing.push(async () => {
      for (const socket of sockets) socket.destroy()
    })
    expect(await askOverTcp(set.port, [queryFor(STEERED)]).catch(() => [])).toEqual([])
    for (const socket of sockets) expect(decode((await exchange(socket)).subarray(2)).answers).toHaveLength(1)

    function exchange(socket: Socket): Promise<Buffer> {
      socket.write(framed(queryFor(STEERED)))
      return new Promise(resolve => socket.once('data', resolve))
    }
  })

  it('of questions whose answers nobody reads: we stop reading, and end it', async () => {
    const answers = Array.from({ length: 700 }, (_, index) => ({
      type: 'SRV' as const,
      name: OTHER,
      ttl: 60,
      data: { port: index, target: 'xmpp.capulet.example' },
    }))
    const upstream = await upstreamOf(({ message }) => [replyTo(message, { answers })])
    const set = await open({ upstream: [upstream.endpoint], limits: { ...limits, steeringForwardMs: 5_000 } })
    const socket = connect(set.port, '127.0.0.1')
    const ended = new Promise<void>(resolve => {
      socket.on('error', () => {})
      socket.on('close', () => resolve())
    })
    socket.pause()
    const question = framed(queryFor(OTHER, 'SRV'))
    for (let count = 0; count < 3_000; count++) socket.write(question)
    // It is found out by writing that the other side is gone.
    const probe = setInterval(() => socket.write(question), 50)
    await ended
    clearInterval(probe)
    // Without a limit all 3 000 would have been asked.
    expect(upstream.arrived.length).toBeLessThan(1_000)
    await unharmed(set)
  })
})

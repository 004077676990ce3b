import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type NetConnectOpts, Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/system.ts'
import {
  acceptTcp,
  type ListenTcpOptions,
  listenTcp,
  type TcpListener,
  type Transport,
} from '../../../src/transport/index.ts'
import { peerAddress } from '../../../src/transport/peer-address.ts'
import { complianceLimits, Recorder, transportCompliance, turns } from '../../kit/transport-compliance.ts'

const folder = mkdtempSync(join(tmpdir(), 'isthmus-listen-'))
afterAll(() => rmSync(folder, { recursive: true }))

const listeners: TcpListener[] = []
const transports: Transport[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close()
  for (const transport of transports.splice(0)) transport.abort()
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** A listener, what it took and what it refused. */
async function listening(options: Partial<ListenTcpOptions> = {}) {
  const taken: { transport: Transport; recorder: Recorder }[] = []
  const refused: string[] = []
  let changed = () => {}
  const listener = await listenTcp({
    listen: [{ address: '127.0.0.1', port: 0 }],
    allow: ['127.0.0.0/8', '::1/128'],
    maxConnections: 10,
    sniffTls: true,
    limits: complianceLimits,
    clock: systemClock,
    onTransport: transport => {
      transports.push(transport)
      taken.push({ transport, recorder: new Recorder() })
      changed()
    },
    onRefused: (address, reason) => {
      refused.push(`${address}: ${reason}`)
      changed()
    },
    ...options,
  })
  listeners.push(listener)
  const until = async (ready: () => boolean) => {
    while (!ready()) await new Promise<void>(resolve => (changed = resolve))
  }
  const arrival = async (index = 0) => {
    await until(() => taken.length > index)
    const found = taken[index]
    if (found === undefined) throw new Error('unreachable')
    return found
  }
  return { listener, taken, refused, until, arrival, port: listener.listening[0]?.port ?? 0 }
}

function dial(where: NetConnectOpts): Socket {
  const socket = connect(where)
  sockets.push(socket)
  socket.on('error', () => {})
  return socket
}

/** All that the other side sends, and whether it ended in order. */
function outcome(socket: Socket): Promise<{ bytes: string; orderly: boolean }> {
  return new Promise(resolve => {
    let bytes = ''
    let orderly = true
    socket.on('data', chunk => {
      bytes += chunk.toString('latin1')
    })
    socket.on('error', () => {
      orderly = false
    })
    socket.on('close', () => resolve({ bytes, orderly }))
  })
}

describe('listenTcp', () => {
  it('hands over a connection with its first bytes unread', async () => {
    const { port, arrival, taken } = await listening()
    const peer = dial({ port, host: '127.0.0.1' })
    await turns()
    expect(taken, 'nobody has spoken').toEqual([])
    peer.write('<stream:stream>')
    const { transport, recorder } = await arrival()
    peer.write('<more/>')
    await turns(50)
    transport.attach(recorder)
    await recorder.until(() => recorder.received === 22)
    expect(recorder.bytes.toString()).toBe('<stream:stream><more/>')
    expect(transport.facts).toMatchObject({ kind: 'tcp', remoteAddress: '127.0.0.1', tls: null })
    transport.send('<answer/>')
    transport.close(1000)
    expect(await outcome(peer)).toEqual({ bytes: '<answer/>', orderly: true })
    expect(await recorder.ended()).toBeNull()
  })

  it('hands over at once where nothing is sniffed, TLS or not', async () => {
    const { port, arrival } = await listening({ sniffTls: false })
    const peer = dial({ port, host: '127.0.0.1' })
    const { transport, recorder } = await arrival()
    transport.attach(recorder)
    peer.write(Buffer.of(0x16, 3, 1))
    await recorder.until(() => recorder.received === 3)
    expect([...recorder.bytes]).toEqual([0x16, 3, 1])
  })

  it('ends what begins with TLS in order, and hands nothing over (SERVERS §2.7)', async () => {
    const { port, taken, refused, until } = await listening()
    const peer = dial({ port, host: '127.0.0.1' })
    const ended = outcome(peer)
    tlsConnect({ socket: peer, servername: 'capulet.example', ALPNProtocols: ['xmpp-server'] }).on(
      'error',
      () => {},
    )
    await until(() => refused.length === 1)
    expect(await ended).toEqual({ bytes: '', orderly: true })
    expect(refused).toEqual(['127.0.0.1: TLS before the stream'])
    expect(taken).toEqual([])
  })

  it('sends away who says nothing', async () => {
    const { port, taken, refused, until } = await listening({ limits: { ...complianceLimits, openMs: 20 } })
    const silent = outcome(dial({ port, host: '127.0.0.1' }))
    await until(() => refused.length === 1)
    expect(await silent).toEqual({ bytes: '', orderly: true })
    dial({ port, host: '127.0.0.1' }).end()
    await until(() => refused.length === 2)
    expect(refused).toEqual(['127.0.0.1: silent', '127.0.0.1: silent'])
    expect(taken).toEqual([])
  })

  it('refuses addresses that are not allowed', async () => {
    const { port, taken, refused, until, arrival } = await listening({
      allow: ['127.0.0.2/32', '10.0.0.0/8'],
    })
    const peer = dial({ port, host: '127.0.0.1' })
    const ended = outcome(peer)
    peer.write('<stream:stream>')
    await until(() => refused.length === 1)
    expect((await ended).bytes).toBe('')
    expect(refused).toEqual(['127.0.0.1: address not allowed'])
    expect(taken).toEqual([])
    dial({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }).write('x')
    await arrival()
  })

  it('takes an IPv4 peer of a socket for both families as IPv4', async () => {
    const { port, arrival } = await listening({
      listen: [{ address: '::', port: 0 }],
      allow: ['127.0.0.0/8'],
    })
    dial({ port, host: '127.0.0.1' }).write('x')
    expect((await arrival()).transport.facts.remoteAddress).toBe('127.0.0.1')
    expect(peerAddress('fe80::1%eth0')).toBe('fe80::1')
    expect(peerAddress('::FFFF:192.0.2.1')).toBe('192.0.2.1')
    expect(peerAddress('::1')).toBe('::1')
  })

  it('listens on several addresses, both families', async () => {
    const { listener, arrival } = await listening({
      listen: [
        { address: '127.0.0.1', port: 0 },
        { address: '::1', port: 0 },
      ],
    })
    expect(listener.listening.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
    expect(listener.skipped).toEqual([])
    for (const [index, { address, port }] of listener.listening.entries()) {
      dial({ port, host: address }).write('x')
      expect((await arrival(index)).transport.facts.remoteAddress).toBe(address)
    }
  })

  it('holds no more than its number of connections, silent ones included, and takes others once they are gone', async () => {
    const { port, arrival, refused, until } = await listening({ maxConnections: 2 })
    const silent = dial({ port, host: '127.0.0.1' })
    await new Promise(resolve => silent.once('connect', resolve))
    dial({ port, host: '127.0.0.1' }).write('x')
    const { transport, recorder } = await arrival()
    await outcome(dial({ port, host: '127.0.0.1' }))
    expect(refused).toEqual(['127.0.0.1: too many connections'])
    transport.attach(recorder)
    transport.abort()
    await recorder.ended()
    dial({ port, host: '127.0.0.1' }).write('x')
    await arrival(1)
    silent.end()
    await until(() => refused.length === 2)
    dial({ port, host: '127.0.0.1' }).write('x')
    await arrival(2)
  })

  it('leaves nothing bound where one address cannot be had', async () => {
    const other = createServer()
    await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
    const taken = other.address()
    const busy = typeof taken === 'object' && taken !== null ? taken.port : 0
    const free = await listening()
    await free.listener.close()
    const first = { address: '127.0.0.1', port: free.port }
    const attempt = listening({ listen: [first, { address: '127.0.0.1', port: busy }] })
    await expect(attempt).rejects.toMatchObject({ code: 'EADDRINUSE', port: busy })
    expect((await listening({ listen: [first] })).port).toBe(free.port)
    other.close()
  })

  it('skips ::1 only, and only beside another address', async () => {
    const nowhere = { address: '192.0.2.1', port: 0 }
    const attempt = listening({ listen: [{ address: '127.0.0.1', port: 0 }, nowhere] })
    await expect(attempt).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })

  it('does without ::1 on a machine without IPv6, unless there is nothing else', async () => {
    // This machine has IPv6: Node is told that ::1 cannot be had, as the system says it elsewhere.
    const listen = Server.prototype.listen
    const without = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args) {
      const [where] = args
      if (typeof where !== 'object' || where === null || Reflect.get(where, 'host') !== '::1') {
        return Reflect.apply(listen, this, args)
      }
      const error = Object.assign(new Error('listen EADDRNOTAVAIL'), { code: 'EADDRNOTAVAIL' })
      setImmediate(() => this.emit('error', error))
      return this
    })
    const both = [
      { address: '::1', port: 0 },
      { address: '127.0.0.1', port: 0 },
    ]
    const { listener } = await listening({ listen: both })
    expect(listener.listening.map(({ address }) => address)).toEqual(['127.0.0.1'])
    expect(listener.skipped).toEqual([{ address: '::1', port: 0 }])
    await expect(listening({ listen: both.slice(0, 1) })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    without.mockRestore()
  })

  it('takes CIDR blocks only', async () => {
    for (const block of [
      '127.0.0.1',
      '127.0.0.0/33',
      '::/129',
      'localhost/8',
      '127.0.0.0/8/8',
      '127.0.0.0/',
      '1/-1',
    ]) {
      await expect(listening({ allow: [block] }), block).rejects.toThrow(TypeError)
    }
  })

  it('close sends away who has said nothing, and leaves the others', async () => {
    const { listener, port, arrival, taken, refused } = await listening()
    const silent = dial({ port, host: '127.0.0.1' })
    const sent = outcome(silent)
    await new Promise(resolve => silent.once('connect', resolve))
    const peer = dial({ port, host: '127.0.0.1' })
    peer.write('x')
    const { transport, recorder } = await arrival()
    await listener.close()
    await listener.close()
    expect(await sent).toEqual({ bytes: '', orderly: true })
    transport.attach(recorder)
    peer.write('y')
    await recorder.until(() => recorder.received === 2)
    expect(taken).toHaveLength(1)
    expect(refused).toEqual([])
    const late = dial({ port, host: '127.0.0.1' })
    expect((await outcome(late)).orderly).toBe(false)
  })

  it('nothing that a peer does to its connection brings the listener down', async () => {
    const { port, arrival } = await listening()
    for (let n = 0; n < 20; n++) {
      const peer = dial({ port, host: '127.0.0.1' })
      await new Promise(resolve => peer.once('connect', resolve))
      if (n % 2 === 0) peer.resetAndDestroy()
      else peer.write(Buffer.of(0x16), () => peer.resetAndDestroy())
    }
    dial({ port, host: '127.0.0.1' }).write('x')
    await arrival()
  })
})

const compliant = join(folder, 'compliance.sock')
let nextReceiving = (_: Transport) => {}
const unix = await listenTcp({
  listen: { path: compliant },
  allow: [],
  maxConnections: 100,
  sniffTls: false,
  limits: complianceLimits,
  clock: systemClock,
  onTransport: transport => nextReceiving(transport),
  onRefused: () => {},
})
afterAll(() => unix.close())

transportCompliance({
  name: 'unix socket',
  mode: 'chunk',
  pings: false,
  tellsAborts: false,
  async connect(handlers) {
    const accepted = new Promise<Transport>(resolve => {
      nextReceiving = resolve
    })
    const socket = connect(compliant)
    await new Promise(resolve => socket.once('connect', resolve))
    const initiating = acceptTcp(socket, complianceLimits, systemClock)
    const receiving = await accepted
    initiating.attach(handlers.initiating)
    receiving.attach(handlers.receiving)
    return {
      initiating,
      receiving,
      // There is no reset but where an end leaves something unread.
      reset: () => {
        initiating.pause()
        receiving.send(Buffer.alloc(1_000_000))
        const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        void turns().then(() => socket.destroy(error))
      },
      stop: async () => {
        initiating.abort()
        receiving.abort()
      },
    }
  },
})

describe('listenTcp on a unix socket', () => {
  const at = (name: string) => ({ listen: { path: join(folder, name) }, sniffTls: false, allow: [] })

  it('is its owner’s alone, and gone after close', async () => {
    const { listener, arrival } = await listening(at('a.sock'))
    const path = join(folder, 'a.sock')
    expect(listener.listening).toEqual([{ address: path, port: 0 }])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const peer = dial({ path })
    const sent = outcome(peer)
    peer.write('<stream:stream>')
    const { transport, recorder } = await arrival()
    transport.attach(recorder)
    await recorder.until(() => recorder.received === 15)
    expect(transport.facts).toMatchObject({ remoteAddress: '', remotePort: 0 })
    await listener.close()
    expect(existsSync(path)).toBe(false)
    transport.send('<still/>')
    transport.close(1000)
    expect(await recorder.ended()).toBeNull()
    expect(await sent).toEqual({ bytes: '<still/>', orderly: true })
  })

  it('takes the place of one that nobody answers at', async () => {
    const gone = await listening(at('gone.sock'))
    linkSync(join(folder, 'gone.sock'), join(folder, 'stale.sock'))
    await gone.listener.close()
    const { arrival } = await listening(at('stale.sock'))
    dial({ path: join(folder, 'stale.sock') })
    await arrival()
  })

  it('leaves one that somebody answers at, and what is no socket', async () => {
    const { arrival } = await listening(at('busy.sock'))
    await expect(listening(at('busy.sock'))).rejects.toMatchObject({ code: 'EADDRINUSE' })
    dial({ path: join(folder, 'busy.sock') })
    // The first was the question whether somebody answers.
    await arrival(1)
    writeFileSync(join(folder, 'file.sock'), 'text')
    await expect(listening(at('file.sock'))).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(statSync(join(folder, 'file.sock')).isFile()).toBe(true)
  })
})

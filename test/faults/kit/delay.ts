import { connect, createServer, type Socket } from 'node:net'

export interface Delay {
  readonly lowMs: number
  readonly highMs: number
}

export interface DelayedWay {
  /** on 127.0.0.1 */
  readonly port: number
  close(): void
}

/** A way to a port on which whatever passes, either way, takes a random time; order is kept, as TCP does. */
export async function delayedWay(target: number, delay: Delay): Promise<DelayedWay> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ host: '127.0.0.1', port: target, allowHalfOpen: true })
    pass(near, far, delay)
    pass(far, near, delay)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    }
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function pass(from: Socket, to: Socket, { lowMs, highMs }: Delay): void {
  let dueMs = 0
  const later = (then: () => void) => {
    const nowMs = performance.now()
    dueMs = Math.max(dueMs, nowMs + lowMs + Math.random() * (highMs - lowMs))
    setTimeout(then, dueMs - nowMs)
  }
  from.on('data', chunk => later(() => to.write(chunk)))
  from.once('end', () => later(() => to.end()))
  from.once('error', () => later(() => to.destroy()))
}

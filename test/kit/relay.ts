import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP relay on loopback, between whoever dials and a target that may come, go and come again: an address that is known
 * before its server is, and a place to cut, stall and refuse.
 */
export interface Relay {
  /** '127.0.0.1:port', for `network.connect` */
  readonly address: string
  /** where new connections go; null: they are ended at once */
  target: number | null
  /** connections so far */
  readonly count: number
  /** connections that are open now */
  readonly open: number
  /** What the dialling side sends is not read any more: its buffers fill. Holds for new connections too. */
  stall(): void
  /** Nothing passes either way, in new connections neither. */
  lose(): void
  /** The end of either. */
  flow(): void
  /** Reset every connection. */
  cut(): void
  close(): Promise<void>
}

export async function createRelay(): Promise<Relay> {
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket }>()
  let target: number | null = null
  let count = 0
  let stalled = false
  let lost = false

  const server: Server = createServer(near => {
    count += 1
    near.on('error', () => {})
    if (target === null) {
      near.destroy()
      return
    }
    const far = connect(target, '127.0.0.1')
    far.on('error', () => {})
    const pair = { near, far }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    near.on('close', end)
    far.on('close', end)
    if (!stalled) near.pipe(far)
    if (!lost) far.pipe(near)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')

  return {
    address: `127.0.0.1:${bound.port}`,
    get target() {
      return target
    },
    set target(port) {
      target = port
    },
    get count() {
      return count
    },
    get open() {
      return pairs.size
    },
    stall() {
      stalled = true
      for (const { near, far } of pairs) {
        near.unpipe(far)
        near.pause()
      }
    },
    lose() {
      stalled = true
      lost = true
      for (const { near, far } of pairs) {
        near.unpipe(far)
        near.pause()
        far.unpipe(near)
        far.pause()
      }
    },
    flow() {
      for (const { near, far } of pairs) {
        if (stalled) near.pipe(far)
        if (lost) far.pipe(near)
      }
      stalled = false
      lost = false
    },
    cut() {
      for (const { near, far } of pairs) {
        near.resetAndDestroy()
        far.resetAndDestroy()
      }
      pairs.clear()
    },
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const { near, far } of pairs) {
        near.destroy()
        far.destroy()
      }
      await closed
    },
  }
}

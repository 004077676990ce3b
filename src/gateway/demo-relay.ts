import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** Stands between the demo's gateways, and cuts what goes through it: what a platform does now and then. */
export class DemoRelay {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0

  private constructor(targetPort: number) {
    this.#server = createServer(near => {
      const far = dial(targetPort, '127.0.0.1')
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket)
        socket.setNoDelay(true)
        // Whoever ends it, both have ended.
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
  }

  /** Rejects where loopback cannot be listened on. */
  static start(targetPort: number): Promise<DemoRelay> {
    const relay = new DemoRelay(targetPort)
    return new Promise((resolve, reject) => {
      relay.#server.once('error', reject)
      relay.#server.listen(0, '127.0.0.1', () => {
        const address = relay.#server.address()
        relay.#port = address === null || typeof address === 'string' ? 0 : address.port
        resolve(relay)
      })
    })
  }

  get port(): number {
    return this.#port
  }

  /** @returns whether there was anything to cut */
  cut(): boolean {
    const had = this.#sockets.size > 0
    for (const socket of this.#sockets) socket.resetAndDestroy()
    return had
  }

  stop(): void {
    this.#server.close()
    this.cut()
  }
}

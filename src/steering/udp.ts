import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Endpoint } from './endpoint.ts'
import type { Responder } from './responder.ts'

export interface Bound {
  readonly port: number
  close(): Promise<void>
}

/** Rejects where the address cannot be had. */
export function listenUdp({ address, port }: Endpoint, responder: Responder): Promise<Bound> {
  const socket = isIPv6(address) ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4')
  let open = true
  socket.on('message', (message, from) => {
    void responder.respond(message, 'udp').then(answer => {
      // Nobody can be at port 0; Node throws for it.
      if (answer === null || !open || from.port === 0) return
      // Whoever has gone away needs no answer.
      socket.send(answer, from.port, from.address, () => {})
    })
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve({
        port: socket.address().port,
        close: () =>
          new Promise(closed => {
            open = false
            socket.close(() => closed())
          }),
      })
    })
  })
}

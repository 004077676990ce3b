// Connections from one place to another, for a machine that has no network: unix sockets lead through its walls.
//   node passage.js FROM TO [FROM TO]…    each a port on loopback or the path of a socket

import { connect, createServer } from 'node:net'

const placeOf = text => (/^\d+$/.test(text) ? { host: '127.0.0.1', port: Number(text) } : { path: text })

const places = process.argv.slice(2).map(placeOf)
for (let index = 0; index < places.length; index += 2) {
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ ...places[index + 1], allowHalfOpen: true })
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    near.pipe(far).pipe(near)
  })
  server.listen(places[index])
}

import { afterEach, describe, expect, it } from 'vitest'
import { type Beside, besideServer, incoming, outgoing, until } from '../../kit/beside-server.ts'

let beside: Beside

async function start(...options: Parameters<typeof besideServer>): Promise<Beside> {
  beside = await besideServer(...options)
  return beside
}
afterEach(() => beside.stop())

describe('a server in the clear', () => {
  it('proves itself and sends; and the host proves itself for whom it speaks', async () => {
    const { server, context, leg } = await start()
    const stream = await server.outgoing('capulet.example', 'montague.example')
    stream.send(outgoing(1))
    await until(() => context.sent.length === 1)
    expect(context.peersUp).toEqual([{ local: 'montague.example', remote: 'capulet.example' }])
    const session = await leg().stands()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    expect(server.stanzas.map(({ id }) => id)).toEqual(['1'])
    expect(context.sent).toHaveLength(1)
  })

  it('a key that proves one pair says nothing of another', async () => {
    const { server, context } = await start()
    const stream = await server.begin('capulet.example', 'evil.example')
    server.showKey(stream)
    await stream.element('result')
    stream.send(outgoing(1))
    await stream.rest()
    expect(context.sent).toEqual([])
  })
})

import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { systemFailure } from '../../../src/gateway/system-failure.ts'

function failureOf(port: number, host: string): Promise<Error> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen(port, host, () => server.close(() => reject(new Error('it listens'))))
  })
}

describe('systemFailure', () => {
  it('says which address is in use', async () => {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    try {
      expect(systemFailure(await failureOf(port, '127.0.0.1'))).toBe(
        `the address 127.0.0.1:${port} is in use: is a gateway running already?`,
      )
    } finally {
      await new Promise(resolve => server.close(resolve))
    }
  })

  it('says which address is none of ours', async () => {
    expect(systemFailure(await failureOf(0, '192.0.2.1'))).toBe(
      "the address 192.0.2.1 is none of this machine's",
    )
  })

  it('says what is wrong with the path of a socket', async () => {
    const at = (path: string) =>
      new Promise<Error>((resolve, reject) => {
        const server = createServer()
        server.once('error', resolve)
        server.listen(path, () => server.close(() => reject(new Error('it listens'))))
      })
    expect(systemFailure(await at('/nowhere at all/c.sock'))).toContain('its directory must be there')
    expect(systemFailure(await at(import.meta.filename))).toContain('is there already')
  })

  it.each([new TypeError('a defect'), 'text', Object.assign(new Error('?'), { code: 'ENOTHING' })])(
    'leaves %s to others',
    cause => {
      expect(systemFailure(cause)).toBeNull()
    },
  )
})

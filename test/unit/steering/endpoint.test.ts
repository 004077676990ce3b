import { describe, expect, it } from 'vitest'
import { type Endpoint, steeringProblem } from '../../../src/steering/index.ts'

const at = (address: string, port = 15_353): Endpoint => ({ address, port })
const upstream = [at('192.0.2.53', 53)]

describe('addresses', () => {
  it.each(['127.0.0.1', '127.9.8.7', '::1', '0:0:0:0:0:0:0:1'])('%s may be listened on', address => {
    expect(steeringProblem([at(address), at(address, 0)], upstream)).toBeNull()
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', '10.0.0.1', 'fe80::1%lo', '::ffff:127.0.0.1', 'localhost', ''])(
    '%s may not',
    address => {
      expect(steeringProblem([at('127.0.0.1'), at(address)], upstream)).toContain('only loopback')
    },
  )

  it.each(['192.0.2.53', '2001:db8::53', '127.0.0.1', '::1', '127.0.0.53', '10.0.0.1', 'fe80::1%eth0'])(
    '%s may be an upstream, at a port that is not ours',
    address => {
      expect(steeringProblem([at('127.0.0.1'), at('::1')], [at(address, 53)])).toBeNull()
    },
  )

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1', '::ffff:127.0.0.1'],
    ['127.0.0.1', '::FFFF:7f00:1'],
    ['127.0.0.1', '0:0:0:0:0:ffff:127.0.0.1'],
    ['::1', '::1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['::1', '::0001'],
  ])('one who listens on %s is not its own upstream as %s', (own, address) => {
    expect(steeringProblem([at('127.0.0.9'), at(own)], [at('192.0.2.53', 53), at(address)])).toContain(
      'circle',
    )
  })

  it.each(['0.0.0.0', '::', '::ffff:0.0.0.0'])('%s is nobody', address => {
    expect(steeringProblem([at('127.0.0.1')], [at(address)])).toContain('not the address')
  })

  it('nothing is missing and ports are ports', () => {
    expect(steeringProblem([], upstream)).not.toBeNull()
    expect(steeringProblem([at('127.0.0.1')], [])).not.toBeNull()
    expect(steeringProblem([at('127.0.0.1', 65_536)], upstream)).not.toBeNull()
    expect(steeringProblem([at('127.0.0.1')], [at('192.0.2.53', 0)])).not.toBeNull()
    expect(steeringProblem([at('127.0.0.1')], [at('dns.example', 53)])).not.toBeNull()
  })
})

import { describe, expect, it } from 'vitest'
import type { DomainConfig, HostConfig } from '../../../src/gateway/config/config.ts'
import { createHosts } from '../../../src/gateway/hosts.ts'
import { domain } from '../../kit/fronts.ts'

const nobody = () => {
  throw new TypeError('no authority is asked for')
}
const domainWith = (name: string, host: HostConfig): DomainConfig => ({
  name: domain(name),
  also: [],
  url: null,
  ips: [],
  identity: null,
  reachable: false,
  host,
})
const bots = (secret: string, port = 5347): HostConfig => ({
  kind: 'component',
  listen: { host: '127.0.0.1', port },
  secret,
  second: 'refuse',
  holdMs: 0,
})
const server = (port: number): HostConfig => ({
  kind: 'server',
  address: { host: '127.0.0.1', port: 5269 },
  listen: [{ host: '127.0.0.1', port }],
  allow: [],
  security: { kind: 'plaintext' },
})

describe('the hosts of a configuration that is read again', () => {
  it('are the same where they are made from the same', () => {
    const before = [domainWith('bot.example', bots('s')), domainWith('capulet.example', server(1))]
    const former = createHosts({ domains: before }, nobody)
    const again = [
      domainWith('bot.example', bots('s')),
      domainWith('cat.example', bots('s')),
      domainWith('capulet.example', server(1)),
    ]
    const hosts = createHosts({ domains: again }, nobody, former.made)
    const [bot, cat, capulet] = again.map(each => hosts.of(each))
    expect([bot, cat, capulet]).toEqual([former.of(before[0] as DomainConfig), bot, former.server])
    expect(bot).toBe(former.of(before[0] as DomainConfig))
    expect(hosts.server).toBe(former.server)
  })

  it('are others where they listen elsewhere', () => {
    const former = createHosts({ domains: [domainWith('capulet.example', server(1))] }, nobody)
    const hosts = createHosts({ domains: [domainWith('capulet.example', server(2))] }, nobody, former.made)
    expect(hosts.server).not.toBe(former.server)
  })

  it('cannot be others in the same place', () => {
    const former = createHosts({ domains: [domainWith('bot.example', bots('s'))] }, nobody)
    expect(() =>
      createHosts({ domains: [domainWith('bot.example', bots('t'))] }, nobody, former.made),
    ).toThrow(
      'a restart is needed: bot.example: what answers for it has changed, and listens where it did before',
    )
  })
})

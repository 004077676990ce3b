import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import type { Config } from '../../../src/gateway/config/config.ts'
import { hostMetaFor } from '../../../src/gateway/host-meta.ts'
import { testAuthority } from '../../kit/authority.ts'
import { domain } from '../../kit/fronts.ts'

const authority = testAuthority()

function configuration(url: string | null): Config {
  const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example'] })
  return {
    path: '/isthmus.toml',
    listen: [],
    trust: { ca: [], intermediates: [] },
    network: { allowPrivate: [], connect: {} },
    dialback: 'verified-tls',
    dialbackSecret: null,
    bidi: null,
    streamManagement: true,
    domains: [
      {
        name: domain('capulet.example'),
        also: [domain('bücher.example')],
        url,
        ips: ['192.0.2.1', '2001:db8::1'],
        identity: {
          certificate: { path: '/c.pem', pem: certificatePem },
          key: { path: '/c.key', pem: keyPem },
        },
        reachable: url !== null,
        host: { kind: 'embedded' },
      },
    ],
    steering: null,
    proxies: [],
    endpoints: [],
    log: { level: 'info', format: 'json' },
    admin: { socket: 'off' },
    limits: defaultLimits,
  }
}

describe('hostMetaFor', () => {
  it('gives both documents and where they belong', async () => {
    const files = await hostMetaFor(configuration('wss://edge.example/s2s'), domain('capulet.example'))
    if (files === null) throw new Error('nothing')
    expect(files.host).toBe('capulet.example')
    expect(files.xml).toMatch(/href=['"]wss:\/\/edge\.example\/s2s['"]/)
    const jrd = JSON.parse(files.json)
    expect(JSON.stringify(jrd)).toContain('wss://edge.example/s2s')
    expect(JSON.stringify(jrd)).toContain('192.0.2.1')
  })

  it('has the web site’s name as DNS has it', async () => {
    const files = await hostMetaFor(configuration('wss://edge.example/s2s'), domain('bücher.example'))
    expect(files?.host).toBe('xn--bcher-kva.example')
  })

  it('has nothing for a domain without a url, and for one that is not served', async () => {
    expect(await hostMetaFor(configuration(null), domain('capulet.example'))).toBeNull()
    expect(await hostMetaFor(configuration('wss://edge.example/s2s'), domain('paris.example'))).toBeNull()
  })
})

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { type FederationOptions, type Host, readOptions } from '../../../src/federation/index.ts'
import { testAuthority } from '../../kit/authority.ts'

const authority = testAuthority()
const { certificatePem: certificate, keyPem: key } = authority.issue({ dns: ['capulet.example'] })
const host: Host = { name: 'test', start() {}, deliver: () => ({ taken: true }), stop: async () => {} }

const CAPULET = { name: 'capulet.example', certificate, key, host }
const GOOD: FederationOptions = {
  domains: [
    { ...CAPULET, also: ['Rooms.Capulet.Example'], url: 'wss://capulet.example:8443/s2s', ips: ['::1'] },
  ],
  listen: [{ address: '127.0.0.1:0' }, { address: '[::1]:8443', clientCertificates: 'off' }],
  trust: { ca: [authority.caPem] },
  network: {
    allowPrivate: ['127.0.0.0/8', 'fd00::/8'],
    connect: { 'montague.example:443': '127.0.0.1:9443' },
  },
  endpoints: [{ domain: 'Montague.Example.', url: 'wss://127.0.0.1:9443/s2s' }],
  limits: { queueStanzas: 10 },
}

const BEHIND = { address: '127.0.0.1:1', tls: false, trustedProxies: ['10.0.0.0/8'] }

/** Every problem that is told. */
function problems(options: Partial<FederationOptions>): string[] {
  try {
    readOptions({ ...GOOD, ...options })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return error.message.replace('createFederation: ', '').split('; ')
  }
  return []
}

describe('options', () => {
  it('are read, prepared and completed', () => {
    const settings = readOptions(GOOD)
    expect(settings.domains).toMatchObject([
      {
        name: 'capulet.example',
        also: ['rooms.capulet.example'],
        url: 'wss://capulet.example:8443/s2s',
        host,
      },
    ])
    expect(settings.listen).toEqual([
      { address: '127.0.0.1', port: 0, unix: false, clientCertificates: 'request', proxy: null },
      { address: '::1', port: 8443, unix: false, clientCertificates: 'off', proxy: null },
    ])
    expect(settings.endpoints).toEqual([{ domain: 'montague.example', url: 'wss://127.0.0.1:9443/s2s' }])
    expect(settings.limits).toEqual({ ...defaultLimits, queueStanzas: 10 })
    expect(readOptions({ domains: [CAPULET] })).toMatchObject({ listen: [], connect: {}, allowPrivate: [] })
  })

  it.each<[string, Partial<FederationOptions>, RegExp]>([
    ['no domain', { domains: [], listen: [] }, /^domains: none$/],
    [
      'no name',
      { domains: [{ ...CAPULET, name: 'a b' }], listen: [] },
      /^domains\[0\]\.name: not a domain: "a b"$/,
    ],
    [
      'one name twice',
      { domains: [{ ...CAPULET, also: ['CAPULET.example'] }], listen: [] },
      /^domains\[0\]\.also\[0\]: stands twice/,
    ],
    ['ws', { domains: [{ ...CAPULET, url: 'ws://capulet.example/' }] }, /^domains\[0\]\.url: not a wss URL/],
    [
      'a user in the url',
      { domains: [{ ...CAPULET, url: 'wss://a:b@capulet.example/' }] },
      /^domains\[0\]\.url: a URL with a user/,
    ],
    [
      'a fragment',
      { domains: [{ ...CAPULET, url: 'wss://capulet.example/#' }] },
      /^domains\[0\]\.url: a URL with a fragment/,
    ],
    [
      'a name for an ip',
      { domains: [{ ...CAPULET, url: 'wss://x.example/', ips: ['x.example'] }] },
      /^domains\[0\]\.ips\[0\]: not an address/,
    ],
    [
      'no certificate',
      { domains: [{ ...CAPULET, url: 'wss://x.example/', certificate: '' }] },
      /^domains\[0\]: certificate is no certificate/,
    ],
    [
      'another key',
      {
        domains: [
          { ...CAPULET, url: 'wss://x.example/', key: authority.issue({ dns: ['x.example'] }).keyPem },
        ],
      },
      /^domains\[0\]: certificate and key do not fit/,
    ],
    ['a listener for nobody', { domains: [CAPULET] }, /^listen: no domain has a url/],
    ['a port alone', { listen: [{ address: '8443' }] }, /^listen\[0\]\.address: not ADDRESS:PORT: "8443"$/],
    ['a port too high', { listen: [{ address: '127.0.0.1:65536' }] }, /^listen\[0\]\.address/],
    [
      'proxies where there is none',
      { listen: [{ address: '127.0.0.1:1', proxySecret: 'x' }] },
      /^listen\[0\]\.proxySecret: only behind a proxy/,
    ],
    [
      'a forwarded certificate of whoever has the address',
      { listen: [{ ...BEHIND, forwardedCertificate: 'nginx' }] },
      /^listen\[0\]\.forwardedCertificate: a certificate is public/,
    ],
    [
      'no format',
      { listen: [{ ...BEHIND, proxySecret: 'x', forwardedCertificate: JSON.parse('"apache"') }] },
      /^listen\[0\]\.forwardedCertificate: no format/,
    ],
    [
      'no fields',
      { listen: [{ ...BEHIND, forwarded: JSON.parse('"via"') }] },
      /^listen\[0\]\.forwarded: neither/,
    ],
    ['hops of nobody', { listen: [{ ...BEHIND, forwardedHops: 0 }] }, /^listen\[0\]\.forwardedHops/],
    [
      'a proxy that is nobody',
      { listen: [{ ...BEHIND, trustedProxies: [] }] },
      /^listen\[0\]\.trustedProxies/,
    ],
    [
      'a secret that no header field carries',
      { listen: [{ ...BEHIND, proxySecret: 'né' }] },
      /^listen\[0\]\.proxySecret/,
    ],
    [
      'an authority of the proxy that is none',
      { listen: [{ address: '127.0.0.1:1', trustedProxies: ['10.0.0.0/8'], proxyCa: 'x' }] },
      /^listen\[0\]\.proxyCa/,
    ],
    [
      'a certificate of the proxy without TLS',
      { listen: [{ ...BEHIND, proxyCa: authority.caPem }] },
      /^listen\[0\]\.proxyCa: a certificate is shown where TLS ends/,
    ],
    ['a name to listen at', { listen: [{ address: 'localhost:80' }] }, /^listen\[0\]\.address/],
    [
      'no block',
      { network: { allowPrivate: ['127.0.0.1'] } },
      /^network\.allowPrivate\[0\]: not a CIDR block/,
    ],
    ['a block too long', { network: { allowPrivate: ['::1/129'] } }, /^network\.allowPrivate\[0\]/],
    [
      'connect from nowhere',
      { network: { connect: { 'x.example': '127.0.0.1:1' } } },
      /^network\.connect: not HOST:PORT/,
    ],
    [
      'connect to a name',
      { network: { connect: { 'x.example:1': 'y.example:1' } } },
      /^network\.connect\["x\.example:1"\]: not ADDRESS:PORT/,
    ],
    [
      'an endpoint for no remote domain',
      { endpoints: [{ domain: 'localhost', url: 'wss://x/' }] },
      /^endpoints\[0\]\.domain: special-use/,
    ],
    [
      'an endpoint without wss',
      { endpoints: [{ domain: 'x.example', url: 'x.example' }] },
      /^endpoints\[0\]\.url: not a wss URL/,
    ],
    ['an authority that is none', { trust: { ca: ['x'] } }, /^trust: /],
    ['no such limit', { limits: JSON.parse('{"queueStanza":1}') }, /^limits\.queueStanza: no such limit$/],
    ['no number', { limits: { queueStanzas: Number.NaN } }, /^limits\.queueStanzas: not a number/],
    ['a limit below the floor', { limits: { stanzaBytes: 9_999 } }, /^limits\.stanzaBytes: below 10000/],
  ])('with %s are refused, and only for that', (_, options, problem) => {
    const told = problems(options)
    expect(told).toEqual([expect.stringMatching(problem)])
  })

  it('are told all problems at once', () => {
    expect(
      problems({ listen: [{ address: 'x' }, { address: 'y' }], limits: { queueStanzas: -1 } }).map(
        told => told.split(':')[0],
      ),
    ).toEqual(['listen[0].address', 'listen[1].address', 'limits.queueStanzas'])
  })
})

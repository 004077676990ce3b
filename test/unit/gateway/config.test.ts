import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/base/index.ts'
import { renderReference, renderSample } from '../../../src/gateway/config/document.ts'
import { LIMIT_KEYS } from '../../../src/gateway/config/limit-keys.ts'
import { parseConfig } from '../../../src/gateway/config/parse.ts'
import { nearest, type Problem, renderProblems } from '../../../src/gateway/config/problem.ts'

const whole = `
[[listen]]
address = "127.0.0.1:8443"
client_certificates = "request" # the default; "off" for a port shared with browsers
[trust]
ca = ["ca.pem"]                 # beside Node's bundled roots
[network]
allow_private = ["127.0.0.0/8"] # who may be dialled beyond the public internet
connect = { "montague.example:443" = "127.0.0.1:9443" } # where the socket goes; TLS and HTTP unchanged
[[domain]]
name = "capulet.example"
also = ["rooms.capulet.example"]
url = "wss://capulet.example:8443/s2s"
certificate = "capulet.pem"
key = "capulet.key"
host = "embedded"
[[endpoint]]                    # static, ahead of discovery
domain = "montague.example"
url = "wss://127.0.0.1:9443/s2s"
`

const TOP_LEVEL =
  'one of dialback, dialback_secret, bidi, stream_management, listen, trust, network, domain, steering, proxy, endpoint, log, admin, limits'

function problemsOf(text: string, environment: Record<string, string> = {}): readonly Problem[] {
  const parsed = parseConfig(text, environment)
  return parsed.ok ? [] : parsed.problems
}

/** The domain section of `whole` with one line more or another one. */
const domainWith = (line: string) => {
  const key = line.split(' ')[0] ?? ''
  const lines = ['name = "capulet.example"', 'certificate = "c"', 'key = "k"', 'host = "embedded"']
  return ['[[domain]]', ...lines.filter(other => !other.startsWith(`${key} `)), line].join('\n')
}

describe('parseConfig', () => {
  it('reads every key as it is documented', () => {
    const parsed = parseConfig(whole, {})
    if (!parsed.ok) throw new Error(renderProblems('isthmus.toml', parsed.problems))
    expect(parsed.file).toEqual({
      dialback: 'verified-tls',
      stream_management: true,
      listen: [{ address: '127.0.0.1:8443', client_certificates: 'request', tls: true }],
      trust: { ca: ['ca.pem'], intermediates: [] },
      network: { allow_private: ['127.0.0.0/8'], connect: { 'montague.example:443': '127.0.0.1:9443' } },
      domain: [
        {
          name: 'capulet.example',
          also: ['rooms.capulet.example'],
          url: 'wss://capulet.example:8443/s2s',
          ips: [],
          certificate: 'capulet.pem',
          key: 'capulet.key',
          host: 'embedded',
        },
      ],
      proxy: [],
      endpoint: [{ domain: 'montague.example', url: 'wss://127.0.0.1:9443/s2s' }],
      log: { level: 'info', format: 'json' },
      admin: {},
      limits: {},
    })
  })

  it('brings domains to the form that is compared', () => {
    const parsed = parseConfig(domainWith('name = "XN--BCHER-KVA.Example"'), {})
    expect(parsed.ok && parsed.file.domain[0]?.name).toBe('bücher.example')
  })

  it.each<[string, string, Omit<Problem, 'severity'>[]]>([
    [
      'a syntax error has its place',
      'a = 1\nb = = 2',
      [{ path: 'line 2, column 5', expected: 'TOML', got: expect.any(String), hint: '' }],
    ],
    [
      'an unknown section, with the name it resembles',
      '[trsut]\nca = []',
      [
        {
          path: 'trsut',
          expected: TOP_LEVEL,
          got: 'an unknown key',
          hint: 'did you mean trust?',
        },
      ],
    ],
    [
      'an unknown key in a list of tables',
      '[[listen]]\naddress = "127.0.0.1:1"\nadress = "127.0.0.1:1"',
      [
        {
          path: 'listen[0].adress',
          expected:
            'one of address, client_certificates, tls, trusted_proxies, proxy_ca, forwarded, forwarded_hops, forwarded_certificate, proxy_secret',
          got: 'an unknown key',
          hint: 'did you mean address?',
        },
      ],
    ],
    [
      'an unknown limit',
      '[limits]\nstanza_byte = "1MiB"',
      [
        {
          path: 'limits.stanza_byte',
          expected: 'a key of CONFIG.md',
          got: 'an unknown key',
          hint: 'did you mean stanza_bytes?',
        },
      ],
    ],
    [
      'a prototype is a key like any other',
      '__proto__ = { x = 1 }',
      [
        {
          path: '__proto__',
          expected: TOP_LEVEL,
          got: 'an unknown key',
          hint: '',
        },
      ],
    ],
    [
      'keys that are missing, all of them',
      '[[domain]]\ncertificate = "capulet.pem"',
      [
        { path: 'domain[0].name', expected: 'a domain', got: 'nothing', hint: 'this key is needed' },
        {
          path: 'domain[0].host',
          expected: '"embedded", "server" or "component"',
          got: 'nothing',
          hint: 'this key is needed',
        },
      ],
    ],
    [
      'a table where a list is meant',
      '[listen]\naddress = "127.0.0.1:1"',
      [{ path: 'listen', expected: 'a list of tables', got: 'a table', hint: 'write [[listen]]' }],
    ],
    [
      'a text where a list is meant',
      '[trust]\nca = "ca.pem"',
      [
        {
          path: 'trust.ca',
          expected: 'a list of files',
          got: '"ca.pem"',
          hint: 'put it in brackets: ["…"]',
        },
      ],
    ],
    [
      'an address without a port',
      '[[listen]]\naddress = "127.0.0.1"',
      [
        {
          path: 'listen[0].address',
          expected: 'ADDRESS:PORT, or "unix:PATH"',
          got: '"127.0.0.1"',
          hint: 'for all interfaces "[::]:443"; an IPv6 address stands in brackets',
        },
      ],
    ],
    [
      'a name of a listener where its address is meant',
      '[[listen]]\naddress = "localhost:8443"',
      [
        {
          path: 'listen[0].address',
          expected: 'ADDRESS:PORT, or "unix:PATH"',
          got: '"localhost:8443"',
          hint: 'for all interfaces "[::]:443"; an IPv6 address stands in brackets',
        },
      ],
    ],
    [
      'one of a few values',
      '[[listen]]\naddress = "[::1]:1"\nclient_certificates = "requets"',
      [
        {
          path: 'listen[0].client_certificates',
          expected: '"request" or "off"',
          got: '"requets"',
          hint: 'did you mean "request"?',
        },
      ],
    ],
    [
      'a URL that is not wss',
      domainWith('url = "ws://capulet.example/s2s"'),
      [
        {
          path: 'domain[0].url',
          expected: 'a wss URL',
          got: '"ws://capulet.example/s2s"',
          hint: 'federation needs TLS: the scheme is wss',
        },
      ],
    ],
    [
      'a URL that is none',
      domainWith('url = "capulet.example"'),
      [
        {
          path: 'domain[0].url',
          expected: 'a wss URL',
          got: '"capulet.example"',
          hint: 'write it whole: wss://HOST[:PORT]/PATH',
        },
      ],
    ],
    [
      'a domain that is none',
      domainWith('name = "not a domain"'),
      [
        {
          path: 'domain[0].name',
          expected: 'a domain',
          got: '"not a domain"',
          hint: 'letters, digits and hyphens, in labels joined by dots',
        },
      ],
    ],
    [
      'a domain that nobody could reach',
      domainWith('name = "localhost"'),
      [
        {
          path: 'domain[0].name',
          expected: 'a domain',
          got: '"localhost"',
          hint: 'this top-level domain is reserved and does not federate',
        },
      ],
    ],
    [
      'a key pasted where its file is meant is not shown',
      domainWith('key = "-----BEGIN PRIVATE KEY-----MIGHAgEAMBMG"'),
      [
        {
          path: 'domain[0].key',
          expected: 'a file',
          got: '(a private key)',
          hint: 'name a file that holds it',
        },
      ],
    ],
    [
      'a number without its unit',
      '[limits]\nnegotiation = 30\nstanza_bytes = "512"\nsasl_attempts = "3s"',
      [
        {
          path: 'limits.stanza_bytes',
          expected: 'a size',
          got: '"512"',
          hint: 'a number with its unit: B, KiB, MiB, GiB',
        },
        {
          path: 'limits.negotiation',
          expected: 'a duration',
          got: '30',
          hint: 'put it in quotes, with its unit where it has one',
        },
        { path: 'limits.sasl_attempts', expected: 'a number', got: '"3s"', hint: '' },
      ],
    ],
    [
      'limits below what the protocol demands',
      '[limits]\nstanza_bytes = "9KiB"\nsasl_attempts = 0\nopen = "0s"',
      [
        { path: 'limits.stanza_bytes', expected: 'a size', got: '"9KiB"', hint: 'at least 10000B' },
        { path: 'limits.open', expected: 'a duration', got: '"0s"', hint: 'at least 1ms' },
        { path: 'limits.sasl_attempts', expected: 'a number', got: '0', hint: 'a whole number, at least 1' },
      ],
    ],
    [
      'blocks and ways that are none',
      '[network]\nallow_private = ["10.0.0.0", "::/129"]\nconnect = { "montague.example" = "127.0.0.1:1", "a.example:443" = "b.example:1" }',
      [
        {
          path: 'network.allow_private[0]',
          expected: 'a CIDR block such as "10.0.0.0/8"',
          got: '"10.0.0.0"',
          hint: 'an address, a slash and the length of the prefix',
        },
        {
          path: 'network.allow_private[1]',
          expected: 'a CIDR block such as "10.0.0.0/8"',
          got: '"::/129"',
          hint: 'an address, a slash and the length of the prefix',
        },
        {
          path: 'network.connect["a.example:443"]',
          expected: 'ADDRESS:PORT',
          got: '"b.example:1"',
          hint: 'an IP address and a port',
        },
        {
          path: 'network.connect["montague.example"]',
          expected: 'HOST:PORT as the key',
          got: '"montague.example"',
          hint: 'as it stands in the URL, the port always written',
        },
      ],
    ],
    [
      'a variable that is not set, and nothing else because of it',
      '[[listen]]\naddress = "127.0.0.1:$' + '{PORT}"',
      [
        {
          path: 'listen[0].address',
          expected: 'the environment variable PORT',
          got: '"127.0.0.1:$' + '{PORT}"',
          hint: 'set it, or write $${ where ${ itself is meant',
        },
      ],
    ],
  ])('%s', (_, text, expected) => {
    const byPath = (a: { path: string }, b: { path: string }) => a.path.localeCompare(b.path)
    const problems = [...problemsOf(text)].sort(byPath)
    expect(problems).toEqual([...expected].sort(byPath).map(problem => ({ severity: 'error', ...problem })))
  })

  it('reports problems of every section at once', () => {
    const text = `${whole}\n[log]\nlevel = "loud"\n[admin]\nsocket = 5\n[limits]\ndrain = "8"`
    expect(problemsOf(text).map(problem => problem.path)).toEqual([
      'log.level',
      'admin.socket',
      'limits.drain',
    ])
  })
})

describe('values from the environment', () => {
  const address = (text: string, environment: Record<string, string>) => {
    const parsed = parseConfig(`[[listen]]\naddress = ${JSON.stringify(text)}`, environment)
    return parsed.ok ? parsed.file.listen[0]?.address : parsed.problems
  }

  it('takes a value from the environment', () => {
    expect(address('$' + '{HOST}:$' + '{PORT}', { HOST: '[::]', PORT: '443' })).toBe('[::]:443')
  })

  it('is not read again in what came from there', () => {
    expect(address('$' + '{A}', { A: '$' + '{B}', B: '127.0.0.1:1' })).toEqual([
      expect.objectContaining({ path: 'listen[0].address', expected: 'ADDRESS:PORT, or "unix:PATH"' }),
    ])
  })

  it('shows the file’s text in problems, not the value', () => {
    expect(address('$' + '{SECRET}', { SECRET: 'hunter2' })).toEqual([
      expect.objectContaining({ got: '"$' + '{SECRET}"' }),
    ])
  })

  it('gives numbers too', () => {
    const parsed = parseConfig('[limits]\nconnections = "$' + '{N}"', { N: '500' })
    expect(parsed.ok && parsed.file.limits['connections']).toBe(500)
  })

  it('does not look at what every object has', () => {
    expect(problemsOf('[log]\nlevel = "$' + '{constructor}"')).toHaveLength(1)
  })

  it('stands for itself after another dollar sign', () => {
    const parsed = parseConfig('[trust]\nca = ["$$' + '{NAME}.pem"]', {})
    expect(parsed.ok && parsed.file.trust.ca).toEqual(['$' + '{NAME}.pem'])
  })
})

describe('documents made from the declarations', () => {
  it('docs/CONFIG.md is up to date (npm run docs)', () => {
    expect(readFileSync(new URL('../../../docs/CONFIG.md', import.meta.url), 'utf8')).toBe(renderReference())
  })

  it('names every limit once, with its default', () => {
    const reference = renderReference().split('## [limits]')[1] ?? ''
    expect(LIMIT_KEYS.size).toBe(Object.keys(LIMITS).length)
    for (const key of LIMIT_KEYS.keys()) {
      expect(reference.match(new RegExp(`^\\| \`${key}\` \\|`, 'gm'))).toHaveLength(1)
    }
    expect(reference).toContain('| `stanza_bytes` | a size | `"512KiB"` |')
  })

  it('have the keys of no section before all sections, as TOML wants it', () => {
    const reference = renderReference()
    const titles = [...reference.matchAll(/^##+ (.*)$/gm)].map(([, title]) => title)
    expect(titles.slice(0, 2)).toEqual(['At the top of the file', '[[listen]]'])
    expect(reference.indexOf('| `dialback_secret` |')).toBeLessThan(reference.indexOf('## [[listen]]'))
    const sample = renderSample()
    expect(sample.indexOf('# dialback_secret = ')).toBeGreaterThan(0)
    expect(sample.indexOf('# dialback_secret = ')).toBeLessThan(sample.indexOf('\n[[listen]]\n'))
  })

  it('the sample is a valid configuration, and so is all that it shows as a comment', () => {
    const sample = renderSample()
    expect(problemsOf(sample)).toEqual([])
    const uncommented = sample
      .split('\n')
      .map(line => line.replace(/^# (\[|[a-z_0-9]+ = )/, '$1'))
      .join('\n')
    expect(problemsOf(uncommented)).toEqual([])
    const parsed = parseConfig(uncommented, {})
    expect(parsed.ok && Object.keys(parsed.file.limits)).toHaveLength(LIMIT_KEYS.size)
  })
})

describe('nearest', () => {
  it.each([
    ['adress', 'address'],
    ['Address', 'address'],
    ['ulr', 'url'],
    ['zzz', null],
  ])('%s: %s', (name, expected) => {
    expect(nearest(name, ['address', 'url', 'name'])).toBe(expected)
  })
})

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../../../src/cli/exit.ts'
import { parseConfig } from '../../../src/gateway/config/parse.ts'
import { isthmus } from './capture.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-init-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const PROSODY = [
  'init',
  '--server',
  'prosody',
  '--domain',
  'capulet.example',
  '--dns-upstream',
  '192.0.2.53:53',
]

describe('init', () => {
  it('prints both parts, and writes nothing', async () => {
    const output = join(folder, 'none.toml')
    const { code, out, err } = await isthmus([...PROSODY, '--stdout', '--output', output])
    expect({ code, err }).toEqual({ code: EXIT.ok, err: '' })
    expect(out).toContain(`# ---- ${output} ----\n# Isthmus beside Prosody, for capulet.example.`)
    expect(out).toContain('# ---- /etc/prosody/conf.d/isthmus.cfg.lua: a file of its own ----\n')
    expect(out).toContain('# ---- to know ----\n- ')
    expect(existsSync(output)).toBe(false)
  })

  it.each(['prosody', 'ejabberd', 'jabberd2', 'component'])('%s as one JSON object', async server => {
    const upstream = server === 'component' ? [] : ['--dns-upstream', '192.0.2.53:53']
    const flags = ['init', '--server', server, '--domain', 'capulet.example', ...upstream]
    const { code, out } = await isthmus([...flags, '--stdout', '--json'])
    expect(code).toBe(EXIT.ok)
    const files = JSON.parse(out)
    expect(Object.keys(files)).toEqual(['config', 'server', 'notes'])
    expect(parseConfig(files.config, {}).ok).toBe(true)
    expect(files.server[0]).toEqual({
      file: expect.any(String),
      place: expect.any(String),
      whole: expect.any(Boolean),
      text: expect.any(String),
      note: expect.any(String),
    })
  })

  it('writes the configuration for its owner alone, and never over another without being told', async () => {
    const output = join(folder, 'isthmus.toml')
    const component = ['init', '--server', 'component', '--domain', 'bot.example', '--output', output]
    const first = await isthmus(component)
    expect(first).toMatchObject({ code: EXIT.ok, err: `wrote ${output}\n` })
    expect(statSync(output).mode & 0o777).toBe(0o600)
    const written = readFileSync(output, 'utf8')
    const [, secret] = /secret = "([0-9a-f]{48})"/.exec(written) ?? []
    expect(first.out).toContain(`secret = ${secret}\n`)
    expect(first.out).not.toContain('[[domain]]')

    const second = await isthmus(component)
    expect(second).toEqual({
      code: EXIT.failed,
      out: '',
      err: `isthmus: ${output}: it is there already; --force overwrites it\n`,
    })
    expect(readFileSync(output, 'utf8')).toBe(written)
    expect((await isthmus([...component, '--force'])).code).toBe(EXIT.ok)
    expect(readFileSync(output, 'utf8')).not.toBe(written)
    expect(existsSync(`${output}.new`)).toBe(false)
  })

  it('writes the whole files that the server needs', async () => {
    const output = join(folder, 'ejabberd.toml')
    const flags = [
      'init',
      '--server',
      'ejabberd',
      '--domain',
      'capulet.example',
      '--dns-upstream',
      '192.0.2.53:53',
    ]
    const { err } = await isthmus([...flags, '--output', output, '--server-files', folder])
    const [inetrc, yml] = ['inetrc', 'isthmus.yml'].map(name => join(folder, name))
    expect(err).toBe(`wrote ${output}\nwrote ${inetrc}\nwrote ${yml}\n`)
    expect(readFileSync(inetrc ?? '', 'utf8')).toContain('{resolv_conf, ""}.')
    expect(readFileSync(yml ?? '', 'utf8')).toContain('ejabberd_s2s_in')
    // Neither of them is the file that the person has already.
    expect(existsSync(join(folder, 'ejabberd.yml'))).toBe(false)
  })

  it('says where it cannot write', async () => {
    const { code, err } = await isthmus([...PROSODY, '--output', join(folder, 'no/isthmus.toml')])
    expect(code).toBe(EXIT.failed)
    expect(err).toContain('no/isthmus.toml')
  })

  it('what it writes is right but for the files that are not there', async () => {
    const output = join(folder, 'check.toml')
    expect((await isthmus([...PROSODY, '--server-ca', 'server.pem', '--output', output])).code).toBe(EXIT.ok)
    const { code, err } = await isthmus(['config', 'check', output])
    expect(code).toBe(EXIT.configuration)
    expect(err.match(/: (error|warning) at .*$/gm)).toEqual([
      ': error at domain[0].certificate',
      ': error at domain[0].key',
      ': error at domain[0].server.ca',
    ])
  })

  it.each([
    ['prosody', ['--tcp-egress', 'no', '--http', 'http://127.0.0.1:5280'], []],
    ['prosody', ['--security', 'plaintext', '--trusted-proxy', '127.0.0.0/8'], []],
    ['ejabberd', ['--security', 'plaintext'], []],
    // As without a proxy.
    ['ejabberd', ['--tcp-egress', 'no'], ['warning at steering.steer']],
    ['component', [], []],
    ['component', ['--listen', 'unix:front.sock'], []],
  ])('what it writes for a proxy in front is right: %s %j', async (server, more, warnings) => {
    const output = join(folder, 'behind.toml')
    const flags = ['--server', server, '--domain', 'capulet.example', '--tls', 'proxy', '--output', output]
    const upstream = server === 'component' ? [] : ['--dns-upstream', '192.0.2.53:53']
    expect((await isthmus(['init', ...flags, ...upstream, ...more, '--force'])).code).toBe(EXIT.ok)
    const environment = { PORT: '8080', DIALBACK_SECRET: 'a secret of two dozen characters' }
    const { code, out, err } = await isthmus(['config', 'check', output], environment)
    expect({ code, out }).toEqual({ code: EXIT.ok, out: `${output}: ok\n` })
    expect(err.match(/(error|warning) at .*$/gm) ?? []).toEqual(warnings)
  })

  it('names everything that is missing, and what says nothing to the server', async () => {
    expect((await isthmus(['init', '--stdout'])).err).toBe(
      'isthmus: init: --server is needed\nisthmus: init: --domain is needed\n',
    )
    const flags = ['--server', 'openfire', '--component-secret', 'a secret', '--roots', 'roots.pem']
    const { code, out, err } = await isthmus(['init', ...flags, '--stdout'])
    expect({ code, out }).toEqual({ code: EXIT.usage, out: '' })
    expect(err).not.toContain('a secret')
    expect(err.match(/^isthmus: init: --[\w-]+/gm)).toEqual([
      'isthmus: init: --domain',
      'isthmus: init: --roots',
      'isthmus: init: --component-secret',
      'isthmus: init: --remote',
    ])
    const output = join(folder, 'useless.toml')
    const component = ['init', '--server', 'component', '--domain', 'bot.example', '--output', output]
    const useless = await isthmus([...component, '--server-files', folder, '--dns-listen', '127.0.0.1:1'])
    expect(useless).toMatchObject({ code: EXIT.usage, out: '' })
    expect(useless.err).toContain('--dns-listen: component has no use for it')
    const noFiles = await isthmus([...component, '--server-files', folder])
    expect(noFiles).toMatchObject({
      code: EXIT.usage,
      err: 'isthmus: init: --server-files: component needs no whole file\n',
    })
    expect(existsSync(output)).toBe(false)
  })

  it('asks this machine whom it asks for names', async () => {
    const { code, out } = await isthmus([...PROSODY.slice(0, 5), '--stdout', '--json'])
    expect(code).toBe(EXIT.ok)
    expect(JSON.parse(out).config).toMatch(/^upstream = \["\S+:\d+"/m)
  })

  it.each([
    ['--server is needed', ['init', '--domain', 'capulet.example']],
    ['--domain is needed', ['init', '--server', 'prosody']],
    ['--steering: localzone takes every domain', [...PROSODY, '--steering', 'localzone']],
    ['error at domain[0].server.address', [...PROSODY, '--server-address', 'localhost']],
  ])('%s', async (detail, args) => {
    const { code, out, err } = await isthmus([...args, '--stdout'])
    expect({ code, out }).toEqual({ code: EXIT.usage, out: '' })
    expect(err).toContain(detail)
  })

  it.each([
    ['a server', ['init', '--server', 'sendmail', '--domain', 'capulet.example']],
    ['a domain', ['init', '--server', 'prosody', '--domain', 'localhost']],
    ['a yes or no', [...PROSODY, '--tcp-egress', 'perhaps']],
    ['a place', [...PROSODY, '--tls', 'there']],
    ['a way', [...PROSODY, '--steering', 'pigeon']],
  ])('%s that is none is a usage error', async (_, args) => {
    expect(await isthmus([...args, '--stdout'])).toMatchObject({ code: EXIT.usage, out: '' })
  })
})

describe('init at a terminal', () => {
  const answer = (...lines: string[]) => Readable.from(lines.map(line => `${line}\n`))

  it('asks for what no flag said, and again where an answer is none', async () => {
    const answers = answer(
      'sendmail',
      'prosody',
      'localhost',
      'capulet.example',
      'rooms.capulet.example, upload.capulet.example',
      '',
      'there',
      '',
      'perhaps',
      'no',
    )
    const { code, out, err } = await isthmus(['init', '--stdout', '--json'], {}, answers)
    expect(code).toBe(EXIT.ok)
    const { config } = JSON.parse(out)
    expect(config).toContain('also = ["rooms.capulet.example", "upload.capulet.example"]')
    expect(config).toContain('url = "wss://capulet.example/s2s"')
    expect(config).not.toContain('[steering]')
    expect(err).toContain('domains that are not on WebSocket become unreachable')
    expect(err).toContain('One of prosody, ejabberd, jabberd2, openfire, component, please.')
    expect(err).toContain('no domain of the public network')
    expect(err).toContain('One of here, proxy, please.')
    expect(err).toContain('yes or no, please.')
  })

  it('asks nothing that a flag said', async () => {
    const flags = [
      'init',
      '--server',
      'component',
      '--also',
      'b.example',
      '--url',
      'wss://c.example/s',
      '--tls',
      'here',
    ]
    const { code, out, err } = await isthmus([...flags, '--stdout', '--json'], {}, answer('bot.example'))
    expect(code).toBe(EXIT.ok)
    expect(err).toBe('Its domain: ')
    expect(JSON.parse(out).config).toContain('name = "bot.example"')
  })

  const ASKED = ['init', '--server', 'component', '--also', 'b.example', '--url', 'wss://c.example/s']

  it('asks where TLS ends, and at a proxy where that is', async () => {
    const answers = answer('bot.example', 'proxy', ',', '10.0.0.1', '127.0.0.0/8, ::1/128')
    const { code, out, err } = await isthmus([...ASKED, '--stdout', '--json'], {}, answers)
    expect(code).toBe(EXIT.ok)
    expect(err).toContain('(here, proxy) [here]: ')
    expect(err).toContain('At least one, please.')
    expect(err).toContain('10.0.0.1: an address, a slash and the length of the prefix.')
    expect(JSON.parse(out).config).toContain('trusted_proxies = ["127.0.0.0/8", "::1/128"]\n')
  })

  it.each([
    ['[127.0.0.0/8 10.0.0.0/8 ', '"10.0.0.0/8"', []],
    ['[127.0.0.0/8 ::1/128]', '["127.0.0.0/8", "::1/128"]', ['--listen', '127.0.0.1:81']],
  ])('proposes %s', async (proposed, written, flags) => {
    const answers = answer('bot.example', 'proxy', '')
    const { out, err } = await isthmus([...ASKED, ...flags, '--stdout', '--json'], {}, answers)
    expect(err).toContain(proposed)
    expect(JSON.parse(out).config).toContain(written)
  })

  it.each([
    ['--trusted-proxy', '10.0.0.0/8'],
    ['--listen', 'unix:/run/isthmus/front.sock'],
  ])('does not ask where the proxy is with %s %s', async (...flags) => {
    const args = [...ASKED, '--tls', 'proxy', ...flags, '--stdout', '--json']
    const { code, err } = await isthmus(args, {}, answer('bot.example'))
    expect({ code, err }).toEqual({ code: EXIT.ok, err: 'Its domain: ' })
  })

  it('ends where nobody answers', async () => {
    expect(await isthmus(['init'], {}, answer('prosody'))).toMatchObject({ code: EXIT.usage, out: '' })
  })
})

describe.each(['prosody', 'ejabberd'])('docs/operations/%s.md', server => {
  const guide = readFileSync(new URL(`../../../docs/operations/${server}.md`, import.meta.url), 'utf8')
  const commands = [...guide.matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
    .filter(line => line.startsWith('isthmus init '))
    .map(line => line.split(/\s+/).slice(1))

  it('has commands that init takes', async () => {
    expect(commands.length).toBeGreaterThan(1)
    for (const args of commands) {
      const { code, err } = await isthmus([...args, '--stdout', '--dns-upstream', '192.0.2.53:53'])
      expect({ code, err }).toEqual({ code: EXIT.ok, err: '' })
    }
  })

  it('puts every whole file where it belongs', async () => {
    for (const args of commands) {
      const { out } = await isthmus([...args, '--stdout', '--json', '--dns-upstream', '192.0.2.53:53'])
      for (const { file, whole } of JSON.parse(out).server) {
        if (whole) expect(guide).toContain(`install -m 644 ${basename(file)} ${file}\n`)
      }
    }
  })

  it('says the same as init about what the server trusts', async () => {
    const strict = commands.find(args => args.includes('yes')) ?? []
    const { out } = await isthmus([...strict, '--stdout', '--json', '--dns-upstream', '192.0.2.53:53'])
    const notes = JSON.parse(out).server.map((part: { note: string }) => part.note)
    const [command] = /(?:install -m 644|cat) .*isthmus-authority.*/.exec(notes.join('\n')) ?? []
    expect(command).toBeDefined()
    expect(guide).toContain(`\n${command}\n`)
  })
})

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../../../src/cli/exit.ts'
import { testAuthority } from '../../kit/authority.ts'
import { isthmus } from './capture.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

describe('usage', () => {
  it('says help and version on standard output, and ends well', async () => {
    const help = await isthmus(['--help'])
    expect(help).toMatchObject({ code: EXIT.ok, err: '' })
    expect(help.out).toContain('5 identity')
    expect(await isthmus(['--version'])).toEqual({ code: EXIT.ok, out: '0.1.0\n', err: '' })
  })

  it.each([
    ['no command', []],
    ['an unknown command', ['sevre']],
    ['an unknown option', ['serve', '--port', '1']],
    ['an argument too few', ['check']],
    ['an argument too many', ['check', 'a.example', 'b.example']],
    ['a domain that is none', ['check', 'not a domain']],
    ['an option without its value', ['certificate', 'a.example', '--chain']],
    ['an option that is needed', ['certificate', 'a.example']],
    ['an unknown format', ['config', 'host-meta', 'a.example', '--format', 'yaml']],
    ['a group without its command', ['config']],
  ])('%s is a usage error, told on standard error alone', async (_, args) => {
    const { code, out, err } = await isthmus(args)
    expect(code).toBe(EXIT.usage)
    expect(out).toBe('')
    expect(err.toLowerCase()).toContain('usage: isthmus')
  })
})

describe('configuration', () => {
  it.each([
    ['serve', (path: string) => ['serve', '--config', path]],
    ['check', (path: string) => ['check', 'montague.example', '--config', path]],
    ['config check', (path: string) => ['config', 'check', path]],
    ['config host-meta', (path: string) => ['config', 'host-meta', 'capulet.example', '--config', path]],
  ])('%s lists everything that is wrong and exits 3', async (_, args) => {
    const path = file(
      'bad.toml',
      '[[listen]]\naddress = "here"\n[trsut]\n[[domain]]\nname = "capulet.example"',
    )
    const { code, out, err } = await isthmus(args(path))
    expect(code).toBe(EXIT.configuration)
    expect(out).toBe('')
    for (const where of ['listen[0].address', 'trsut', 'domain[0].host']) {
      expect(err).toContain(`error at ${where}\n`)
    }
    expect(err).toContain('  hint     did you mean trust?\n')
  })

  it('a file that is not there', async () => {
    const path = join(folder, 'none.toml')
    expect(await isthmus(['config', 'check', path])).toEqual({
      code: EXIT.configuration,
      out: '',
      err: `${path}: error\n  expected a configuration file\n  got      no such file\n`,
    })
  })

  it('as one JSON object', async () => {
    const { code, out, err } = await isthmus([
      'config',
      'check',
      file('level.toml', '[log]\nlevel = "loud"'),
      '--json',
    ])
    expect({ code, err }).toEqual({ code: EXIT.configuration, err: '' })
    expect(JSON.parse(out)).toEqual({
      ok: false,
      problems: [
        {
          severity: 'error',
          path: 'log.level',
          expected: '"trace", "debug", "info", "warn", "error" or "silent"',
          got: '"loud"',
          hint: '',
        },
      ],
    })
  })

  it('check --json prints one object even then', async () => {
    const { code, out } = await isthmus([
      'check',
      'montague.example',
      '--json',
      '--config',
      join(folder, 'none.toml'),
    ])
    expect(code).toBe(EXIT.configuration)
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      stages: [],
      error: expect.stringContaining('configuration'),
    })
  })

  it('the sample is TOML that only its files are missing from', async () => {
    const sample = await isthmus(['config', 'sample'])
    expect(sample).toMatchObject({ code: EXIT.ok, err: '' })
    const { code, err } = await isthmus(['config', 'check', file('sample.toml', sample.out)])
    expect(code).toBe(EXIT.configuration)
    expect(err.match(/: error at .*$/gm)).toEqual([
      ': error at domain[0].certificate',
      ': error at domain[0].key',
    ])
  })

  it('the sample is right, word for word, once its files are there', async () => {
    const authority = testAuthority()
    const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example'] })
    file('ca.pem', authority.caPem)
    file('capulet.pem', certificatePem)
    chmodSync(file('capulet.key', keyPem), 0o600)
    const { out } = await isthmus(['config', 'sample'])
    // Only this authority is not one that everybody trusts.
    const sample = file('sample.toml', out.replace('# ca = ["ca.pem"]', 'ca = ["ca.pem"]'))
    expect(await isthmus(['config', 'check', sample])).toEqual({
      code: EXIT.ok,
      out: `${sample}: ok\n`,
      err: '',
    })
    expect(JSON.parse((await isthmus(['config', 'check', sample, '--json'])).out)).toEqual({
      ok: true,
      problems: [],
    })
  })

  it('a domain that is not served is told apart from one that is', async () => {
    const sample = join(folder, 'sample.toml')
    const from = await isthmus(['check', 'montague.example', '--config', sample, '--from', 'paris.example'])
    expect(from).toMatchObject({ code: EXIT.usage, out: '' })
    expect(from.err).toContain(`paris.example is not served by ${sample}`)
    const self = await isthmus(['check', 'capulet.example', '--config', sample])
    expect(self).toMatchObject({ code: EXIT.usage, out: '' })
    const hostMeta = await isthmus(['config', 'host-meta', 'paris.example', '--config', sample])
    expect(hostMeta).toMatchObject({ code: EXIT.configuration, out: '' })
  })
})

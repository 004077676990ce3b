import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../../../src/cli/exit.ts'
import { testAuthority } from '../../kit/authority.ts'
import { isthmus } from './capture.ts'

const authority = testAuthority()
const DAY_MS = 86_400_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-certificate-'))
  const now = Date.now()
  const chains = {
    capulet: authority.issue({ dns: ['capulet.example'] }),
    expired: authority.issue({
      dns: ['capulet.example'],
      notBeforeMs: now - 2 * DAY_MS,
      notAfterMs: now - DAY_MS,
    }),
    client: authority.issue({ dns: ['capulet.example'], ekus: ['clientAuth'] }),
    srv: authority.issue({ srv: ['_xmpp-server.capulet.example'] }),
  }
  for (const [name, { certificatePem }] of Object.entries(chains)) file(`${name}.pem`, certificatePem)
  file('leaf.pem', chains.capulet.leafPem)
  file('ca.pem', authority.caPem)
  file('words.pem', 'words')
  file('broken.pem', '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

const certificate = (domain: string, chain: string, ca: string | null = 'ca.pem', ...more: string[]) => {
  const authorities = ca === null ? [] : ['--ca', join(folder, ca)]
  return isthmus(['certificate', domain, '--chain', join(folder, chain), ...authorities, ...more])
}

describe('isthmus certificate', () => {
  it('accepts, and names the name that proves the domain', async () => {
    const { code, out, err } = await certificate('capulet.example', 'capulet.pem')
    expect({ code, err }).toEqual({ code: EXIT.ok, err: '' })
    expect(out).toMatch(
      /^accepted as capulet\.example through dns-id capulet\.example, until \d{4}-\d\d-\d\d\n$/,
    )
  })

  it('accepts, as one JSON object', async () => {
    const { code, out } = await certificate('Capulet.Example', 'srv.pem', 'ca.pem', '--json')
    expect(code).toBe(EXIT.ok)
    expect(JSON.parse(out)).toEqual({
      ok: true,
      domain: 'capulet.example',
      name: expect.stringContaining('capulet.example'),
      reason: null,
      via: 'srv-id',
      notAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    })
  })

  it.each([
    ['another name', 'montague.example', 'capulet.pem', 'ca.pem', 'name-mismatch'],
    ['an authority that nobody trusts', 'capulet.example', 'capulet.pem', null, 'untrusted'],
    ['a missing intermediate', 'capulet.example', 'leaf.pem', 'ca.pem', 'untrusted'],
    ['an expired certificate', 'capulet.example', 'expired.pem', 'ca.pem', 'expired'],
    ['a purpose that is not a server’s', 'capulet.example', 'client.pem', 'ca.pem', 'purpose'],
    ['a certificate that is malformed', 'capulet.example', 'broken.pem', 'ca.pem', 'malformed'],
  ])('refuses %s', async (_, domain, chain, ca, reason) => {
    const json = await certificate(domain, chain, ca, '--json')
    expect(json.code).toBe(EXIT.identity)
    const said: unknown = JSON.parse(json.out)
    expect(said).toEqual({ ok: false, domain, name: null, reason, detail: expect.any(String) })
    const text = await certificate(domain, chain, ca)
    expect(text.code).toBe(EXIT.identity)
    expect(text.out).toContain(`refused as ${domain} (${reason}): `)
  })

  it.each([
    ['a chain that is not there', 'none.pem', 'ca.pem', 'none.pem: no such file'],
    [
      'a chain without certificates',
      'words.pem',
      'ca.pem',
      'words.pem: the text contains no PEM certificate',
    ],
    ['authorities that are not there', 'capulet.pem', 'none.pem', 'none.pem: no such file'],
    ['authorities that are malformed', 'capulet.pem', 'broken.pem', 'broken.pem: '],
  ])('%s: exit 3', async (_, chain, ca, problem) => {
    const { code, out, err } = await certificate('capulet.example', chain, ca, '--json')
    expect(code).toBe(EXIT.configuration)
    expect(err).toContain(problem)
    expect(JSON.parse(out)).toMatchObject({ ok: false, name: null, reason: 'unreadable-file' })
  })

  it.each(['localhost', '192.0.2.1', 'capulet', 'printer.local'])(
    '%s is no domain that a peer could be: usage',
    async domain => {
      expect((await certificate(domain, 'capulet.pem')).code).toBe(EXIT.usage)
    },
  )
})

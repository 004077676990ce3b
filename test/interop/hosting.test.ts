import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { testAuthority } from '../kit/authority.ts'
import { Command, freePorts } from '../kit/command.ts'

// docs/operations/hosting.md: the settings for each platform, run as they stand. The one thing that differs is where the
// platform's proxy is, which is us.

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/operations/hosting.md'), 'utf8')
const [, ...sections] = page.split(/^## /m)
const fences = sections.map(text => ({
  title: text.slice(0, text.indexOf('\n')),
  toml: fencesOf(text, 'toml').join('\n'),
}))
const DOMAIN = fences.find(({ title }) => title === 'The domain')?.toml ?? ''
const platforms = fences.filter(({ title, toml }) => toml !== '' && title !== 'The domain')

function fencesOf(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, fence = '']) => fence,
  )
}

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A folder with a configuration, and what it names. */
function folderWith(toml: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-hosting-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const authority = testAuthority()
  const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example'] })
  writeFileSync(join(folder, 'ca.pem'), authority.caPem)
  writeFileSync(join(folder, 'capulet.pem'), certificatePem)
  writeFileSync(join(folder, 'capulet.key'), keyPem, { mode: 0o600 })
  writeFileSync(join(folder, 'isthmus.toml'), toml)
  return folder
}

interface Answered {
  readonly status: number
  readonly body: string
}

/** What a platform's proxy adds: of the hops that there may be, the client is the first. */
const FROM_THE_PROXY = {
  host: 'capulet.example',
  'x-forwarded-for': '192.0.2.7, 192.0.2.8',
  'x-forwarded-proto': 'https',
  'x-isthmus-proxy-secret': 'the secret of the proxy',
}

type At = { readonly port: number; readonly tls: boolean }

function get({ port, tls }: At, path: string, headers: Record<string, string> = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent: false, rejectUnauthorized: false }
    const asked = (tls ? requestTls : request)(options, response => {
      let body = ''
      response.setEncoding('utf8').on('data', text => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** A certificate of ours is one of the test's authority. */
const trusting = (toml: string) => (endsTls(toml) ? `${toml}\n[trust]\nca = ["ca.pem"]\n` : toml)
const wholeOf = (toml: string) => (toml.includes('[[domain]]') ? toml : `${DOMAIN}\n${toml}`)
const isBehindProxy = (toml: string) => toml.includes('trusted_proxies')
const endsTls = (toml: string) => !toml.includes('tls = false')

/** Check a configuration, and run the gateway with it. */
async function run(toml: string, warnings: readonly string[] = []): Promise<{ at: At; gateway: Command }> {
  const [port = 0] = await freePorts(1)
  const folder = folderWith(toml)
  const environment = {
    PORT: `${port}`,
    DIALBACK_SECRET: 'the secret of this test',
    PROXY_SECRET: FROM_THE_PROXY['x-isthmus-proxy-secret'],
    HOME: folder,
    RUNTIME_DIRECTORY: folder,
  }
  const options = { cwd: folder, environment }
  const { code, err } = await new Command(['config', 'check', 'isthmus.toml'], options).ended
  expect({ code, warned: [...err.matchAll(/warning at (\S+)/g)].map(([, at]) => at) }).toEqual({
    code: 0,
    warned: warnings,
  })
  const gateway = new Command(['serve'], options)
  closing.push(() => (gateway.isRunning ? gateway.kill() : undefined))
  await gateway.logs({ event: 'listening' })
  return { at: { port, tls: endsTls(toml) }, gateway }
}

describe.each(platforms)('$title', ({ toml }) => {
  it('is a configuration with which the gateway runs, and stops in order', async () => {
    // Only where TLS comes through is another port than 443 forwarded to ours; elsewhere a proxy is in front.
    const { at, gateway } = await run(trusting(wholeOf(toml)), isBehindProxy(toml) ? [] : ['domain[0].url'])
    if (isBehindProxy(toml)) {
      // A platform asks about health past its proxy; nothing else is for whoever finds the port.
      expect(await get(at, '/healthz')).toMatchObject({ status: 200 })
      expect(await get(at, '/.well-known/host-meta.json', FROM_THE_PROXY)).toMatchObject({ status: 403 })
    }
    gateway.signal('SIGTERM')
    expect((await gateway.ended).code).toBe(0)
  })
})

it.each(platforms.filter(({ toml }) => isBehindProxy(toml)))(
  '$title: what comes through the proxy of the platform is answered',
  async ({ toml }) => {
    const here = wholeOf(toml).replace(/trusted_proxies = \[[^\]]*\]/, 'trusted_proxies = ["127.0.0.0/8"]')
    const { at } = await run(trusting(here))
    const meta = await get(at, '/.well-known/host-meta.json', FROM_THE_PROXY)
    expect(meta.status).toBe(200)
    expect(meta.body).toContain('wss://capulet.example/s2s')
    const inTheClear = { ...FROM_THE_PROXY, 'x-forwarded-proto': 'http' }
    expect(await get(at, '/.well-known/host-meta.json', inTheClear)).toMatchObject({ status: 403 })
  },
)

describe('the page', () => {
  it('has settings for platforms, and nothing in it that is not run', () => {
    expect(platforms.length).toBeGreaterThanOrEqual(8)
    expect(
      [...page.matchAll(/^```(\w+)$/gm)].every(([, language]) => language === 'toml' || language === 'sh'),
    ).toBe(true)
    for (const command of fencesOf(page, 'sh')) {
      const [, file = ''] = /^podman build --file (\S+) --tag [\w-]+ \.\n$/.exec(command) ?? []
      expect(existsSync(join(root, file))).toBe(true)
    }
  })

  it('names kits that are there', () => {
    const kits = new Set([...page.matchAll(/`(deploy\/[^\s`]*)`/g)].map(([, kit = '']) => kit))
    expect([...kits].filter(kit => !existsSync(join(root, kit)))).toEqual([])
    expect(kits.size).toBeGreaterThanOrEqual(5)
  })

  it('says of each platform how sure each statement is', () => {
    const [, , ...rows] = page.split('\n').filter(line => line.startsWith('|'))
    expect(rows.length).toBeGreaterThanOrEqual(10)
    const sure = (cell: string) =>
      /\*\*[drm]\*\*/.test(cell) || /^(none|none named|the same|as the next|yours)$/.test(cell)
    for (const row of rows) {
      const [platform = '', ...cells] = row
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim())
      if (platform === 'a machine of one’s own' || platform === "a machine of one's own") continue
      const unsure = cells.filter(cell => !sure(cell) && !/^of what is behind it$/.test(cell))
      expect({ platform, unsure }).toEqual({ platform, unsure: [] })
    }
  })
})

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { embedded } from '../../src/hosts/index.ts'
import { createFederation } from '../../src/index.ts'
import { element, iq, message, NS, type Stanza } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { createRelay } from '../kit/relay.ts'

// What README.md shows is run here, letter by letter. `npm test` has built dist/ before.

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const main = join(root, 'dist/cli/main.js')

const closing: (() => unknown)[] = []
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-readme-'))
  closing.push(() => rmSync(folder, { recursive: true }))
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** The one block of this language. */
function block(language: string, containing = ''): string {
  const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(([, of, text = '']) =>
    of === language && text.includes(containing) ? [text] : [],
  )
  expect(blocks).toHaveLength(1)
  return blocks[0] ?? ''
}

/** The first line that matches on the standard output. */
function line(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', chunk => {
      text += String(chunk)
      const found = pattern.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', code => reject(new Error(`ended with ${code}: ${text}`)))
  })
}

it('the bot answers pings and echoes messages, in twenty lines', async () => {
  const code = block('js')
  expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(20)

  // The package under its name, in a world of its own: an authority that only this test knows, loopback, a free port.
  const authority = testAuthority()
  const relays = { bot: await createRelay(), verona: await createRelay() }
  closing.push(() => Promise.all([relays.bot.close(), relays.verona.close()]))
  const world = {
    trust: { ca: [authority.caPem] },
    network: {
      allowPrivate: ['127.0.0.0/8'],
      connect: { 'bot.example:443': relays.bot.address, 'verona.example:443': relays.verona.address },
    },
    listen: [{ address: '127.0.0.1:0' }],
  }
  const installed = join(folder, 'node_modules/isthmus')
  mkdirSync(installed, { recursive: true })
  writeFileSync(join(installed, 'package.json'), '{ "type": "module", "exports": "./index.js" }')
  writeFileSync(
    join(installed, 'index.js'),
    `import * as isthmus from ${JSON.stringify(join(root, 'dist/index.js'))}
export * from ${JSON.stringify(join(root, 'dist/index.js'))}
export const createFederation = async options => {
  const federation = await isthmus.createFederation({ ...options, ...${JSON.stringify(world)} })
  process.stdout.write('port ' + federation.listening[0].port + '\\n')
  return federation
}`,
  )
  const certificate = authority.issue({ dns: ['bot.example'] })
  writeFileSync(join(folder, 'bot.pem'), certificate.certificatePem)
  writeFileSync(join(folder, 'bot.key'), certificate.keyPem)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'bot.js'), code)

  const bot = spawn(process.execPath, ['bot.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  closing.push(() => bot.kill('SIGKILL'))
  relays.bot.target = Number(await line(bot, /port (\d+)/))

  let heard: (stanza: Stanza) => void = () => {}
  const answer = new Promise<Stanza>(resolve => {
    heard = resolve
  })
  const host = embedded({ onMessage: stanza => heard(stanza) })
  const own = authority.issue({ dns: ['verona.example'] })
  const verona = await createFederation({
    ...world,
    domains: [
      {
        name: 'verona.example',
        url: 'wss://verona.example/s2s',
        ips: ['127.0.0.1'],
        certificate: own.certificatePem,
        key: own.keyPem,
        host,
      },
    ],
  })
  closing.push(() => verona.close())
  relays.verona.target = verona.listening[0]?.port ?? null

  await verona.send(
    message({ from: 'escalus@verona.example', to: 'bot@bot.example', body: 'Who goes there?' }),
  )
  const body = (await answer)
    .element()
    .children.find(child => typeof child !== 'string' && child.name === 'body')
  expect(body).toMatchObject({ children: ['You said: Who goes there?'] })

  const ping = iq({
    from: 'escalus@verona.example',
    to: 'bot.example',
    type: 'get',
    id: 'p1',
    payload: element('ping', NS.ping),
  })
  expect(await host.request(ping)).toMatchObject({ type: 'result', id: 'p1' })

  // It leaves when it is asked to.
  const exited = new Promise<number | null>(resolve => bot.once('exit', resolve))
  bot.kill('SIGTERM')
  expect(await exited).toBe(0)
})

it('what is said of the demo is right', async () => {
  const commandIn = (text: string) => /^npx isthmus (demo .*)$/m.exec(block('sh', text))?.[1] ?? ''
  const command = commandIn('npx isthmus demo --once --no-client-certificates')
  const demo = (more: readonly string[] = [], asked = command) =>
    promisify(execFile)(process.execPath, [main, ...asked.split(' '), ...more], { cwd: folder })
  expect((await demo()).stdout).toContain('as behind a proxy that ends TLS')
  const { streams, stanzas } = JSON.parse((await demo(['--json'])).stdout)
  expect(streams).toMatchObject([{ authentication: 'dialback' }, { authentication: 'dialback' }])
  expect(stanzas).toMatchObject({ delivered: stanzas.sent, bounced: 0 })
  const cut = JSON.parse((await demo(['--json'], commandIn('--chaos'))).stdout)
  expect(cut.cuts).toBeGreaterThanOrEqual(3)
  expect(cut.stanzas).toMatchObject({ delivered: cut.stanzas.sent, bounced: 0 })
})

it('what is said of init is right', async () => {
  const [, command = ''] = /^npx isthmus (init .*)$/m.exec(block('sh', 'npx isthmus init')) ?? []
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...command.split(' ')], {
    cwd: folder,
  })
  expect(readFileSync(join(folder, 'isthmus.toml'), 'utf8')).toContain('host = "server"')
  expect(stdout).toContain('isthmus.cfg.lua')
  for (const server of ['ejabberd', 'component', 'jabberd2', 'openfire']) {
    const flags = ['init', '--server', server, '--domain', 'capulet.example', '--stdout']
    const more = server === 'openfire' ? ['--tcp-egress', 'no'] : []
    await promisify(execFile)(process.execPath, [main, ...flags, ...more], { cwd: folder })
  }
})

it('the gateway’s configuration and commands are right', async () => {
  const authority = testAuthority()
  for (const name of ['capulet', 'montague']) {
    const certificate = authority.issue({ dns: [`${name}.example`] })
    writeFileSync(join(folder, `${name}.pem`), certificate.certificatePem)
    writeFileSync(join(folder, `${name}.key`), certificate.keyPem, { mode: 0o600 })
  }
  const nowhere = 'connect = { "montague.example:443" = "127.0.0.1:1" }'
  const toml = block('toml').replace('0.0.0.0:443', '127.0.0.1:0')
  writeFileSync(join(folder, 'isthmus.toml'), `${toml}\n[network]\n${nowhere}\n`)

  const commands = [...block('sh', 'npx isthmus serve').matchAll(/^npx isthmus (.*?)(?:\s+#.*)?$/gm)].map(
    ([, command = '']) => command,
  )
  expect(commands).toHaveLength(5)
  const codes: Record<string, number> = {}
  for (const command of commands) {
    if (command.startsWith('serve')) continue
    codes[command] = await promisify(execFile)(process.execPath, [main, ...command.split(' ')], {
      cwd: folder,
      timeout: 30_000,
    }).then(
      () => 0,
      (error: { code?: number }) => error.code ?? -1,
    )
  }
  expect(codes).toEqual({
    'config check isthmus.toml': 0,
    'check montague.example': 4,
    'certificate montague.example --chain montague.pem': 5, // an authority that nobody trusts
    'config host-meta capulet.example': 0,
  })

  const serve = commands.find(command => command.startsWith('serve')) ?? ''
  const gateway = spawn(process.execPath, [main, ...serve.split(' ')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closing.push(() => gateway.kill('SIGKILL'))
  await line(gateway, /(listening)/)
  const exited = new Promise<number | null>(resolve => gateway.once('exit', resolve))
  gateway.kill('SIGTERM')
  expect(await exited).toBe(0)
})

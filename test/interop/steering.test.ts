import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { replyTo, type Stage, stage, testUpstream, type Upstream } from '../kit/steering.ts'

// The resolvers of the servers themselves: libunbound, as Prosody loads it, and Erlang's, as ejabberd uses it.

const OTHER = '_xmpp-server._tcp.capulet.example'

let upstream: Upstream
let set: Stage
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-steering-'))
  upstream = await testUpstream(({ message, decoded, via }) => {
    const [question] = decoded.questions ?? []
    const name = question?.name.toLowerCase()
    // Erlang asks over TCP for what is cut.
    if (name === 'large.example' && via === 'udp') {
      const cut = replyTo(message)
      cut.writeUInt16BE(0x8380, 2)
      return [cut]
    }
    if (name === 'large.example' && question?.type === 'A')
      return [
        replyTo(message, {
          answers: Array.from({ length: 200 }, (_, last) => ({
            type: 'A',
            name: 'large.example',
            ttl: 60,
            data: `192.0.2.${last}`,
          })),
        }),
      ]
    if (name !== OTHER || question?.type !== 'SRV') return [replyTo(message, { rcode: 3 })]
    const data = { priority: 1, weight: 2, port: 5269, target: 'xmpp.capulet.example' }
    return [replyTo(message, { answers: [{ type: 'SRV', name: OTHER, ttl: 300, data }] })]
  })
  set = await stage({
    upstream: [upstream.endpoint],
    // Within the time that a decision may take; resolvers ask again meanwhile.
    decide: async domain => {
      if (domain === 'mantua.example') await new Promise(resolve => setTimeout(resolve, 2_000))
      return domain.startsWith('m')
    },
  })
})
afterAll(async () => {
  await set?.steering.close()
  await upstream?.close()
  rmSync(folder, { recursive: true, force: true })
})

function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 30_000, env: { ...process.env, ...env } }
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(`${program}: ${error.message}\n${stderr}`))
    })
  })
}

describe('libunbound', () => {
  /** @returns 'rcode count bogus', then each record in hexadecimal */
  const resolve = (name: string, type: number) =>
    run('lua5.4', [
      '-e',
      `local unbound = require "lunbound".new {
         resolvconf = false, hoststxt = false, async = true, forward = { "127.0.0.1@${set.port}" } }
       local answer, failure = unbound:resolve("${name}", ${type}, 1)
       if not answer then error(failure) end
       print(answer.rcode, #answer, answer.bogus)
       for index = 1, #answer do
         print((answer[index]:gsub(".", function (c) return string.format("%02x", c:byte()) end)))
       end`,
    ])
  const SRV = 33
  // 0 0 15269 localhost.
  const HERE = '0\t1\tnil\n000000003ba5096c6f63616c686f737400'

  it('finds the gateway for a steered domain', async () => {
    expect(await resolve('_xmpp-server._tcp.montague.example', SRV)).toBe(HERE)
    expect(await resolve('_xmpp-server._tcp.xn--mnchen-3ya.example', SRV)).toBe(HERE)
  })

  it('waits for a decision', async () => {
    expect(await resolve('_xmpp-server._tcp.mantua.example', SRV)).toBe(HERE)
  })

  it('finds no TLS from the first byte', async () => {
    expect(await resolve('_xmpps-server._tcp.montague.example', SRV)).toBe('3\t0\tnil')
  })

  it('finds our target', async () => {
    expect(await resolve('localhost', 1)).toBe('0\t1\tnil\n7f000001')
    expect(await resolve('localhost', 28)).toBe(`0\t1\tnil\n${'00'.repeat(15)}01`)
  })

  it('finds the others where they are', async () => {
    expect(await resolve(OTHER, SRV)).toMatch(/^0\t1\tnil\n000100021495/)
    expect(await resolve('_xmpps-server._tcp.capulet.example', SRV)).toBe('3\t0\tnil')
    expect(await resolve('large.example', 1)).toMatch(/^0\t200\tnil\n/)
  })
})

describe('inet_res', () => {
  const evaluate = (expression: string) => {
    const rc = join(folder, 'inetrc')
    writeFileSync(
      rc,
      `{resolv_conf, ""}.
{lookup, ["file", "dns"]}.
{host, {127,0,0,1}, ["localhost"]}.
{nameserver, {127,0,0,1}, ${set.port}}.
`,
    )
    const program = `io:format("~0p", [${expression}]), halt().`
    return run('erl', ['-noshell', '-eval', program], { ERL_INETRC: rc })
  }
  const records = (name: string) => evaluate(`inet_res:lookup("${name}", in, srv)`)

  it('finds the gateway for a steered domain, after a while too', async () => {
    expect(await records('_xmpp-server._tcp.montague.example')).toBe('[{0,0,15269,"localhost"}]')
    expect(await records('_xmpp-server._tcp.mantua.example')).toBe('[{0,0,15269,"localhost"}]')
  })

  it('finds no TLS from the first byte', async () => {
    const name = '_xmpps-server._tcp.montague.example'
    expect(await evaluate(`inet_res:getbyname("${name}", srv)`)).toBe('{error,nxdomain}')
  })

  it('finds the others where they are', async () => {
    expect(await records(OTHER)).toBe('[{1,2,5269,"xmpp.capulet.example"}]')
    expect(await evaluate('length(inet_res:lookup("large.example", in, a))')).toBe('200')
  })
})

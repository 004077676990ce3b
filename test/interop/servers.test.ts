import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { testAuthority } from '../kit/authority.ts'
import { Client } from '../kit/servers/client.ts'
import { startEjabberd } from '../kit/servers/ejabberd.ts'
import { inetrc, type Names, startNames, unboundForward } from '../kit/servers/names.ts'
import { accepts, leftovers } from '../kit/servers/process.ts'
import { startProsody } from '../kit/servers/prosody.ts'
import type { Server } from '../kit/servers/server.ts'

// The kit itself, without Isthmus: real servers over plain TCP. What fails here is not the gateway's fault.

const authority = testAuthority()
let folder: string
let names: Names
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-servers-'))
  names = await startNames()
  closing.push(() => names.close())
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  const left = leftovers(folder)
  rmSync(folder, { recursive: true })
  expect(left).toEqual([])
})

async function prosody(house: string): Promise<Server> {
  const lines = ['s2s_require_encryption = false', 's2s_secure_auth = false', unboundForward(names)]
  return known(
    await startProsody({
      folder: join(folder, house),
      domain: `${house}.example`,
      users: [userOf(house)],
      fragment: lines.join('\n'),
      // Prosody offers TLS whether it has a certificate or not.
      certificate: authority.issue({ dns: [`${house}.example`, `rooms.${house}.example`] }),
    }),
  )
}

async function ejabberd(house: string): Promise<Server> {
  const lines = ['s2s_use_starttls: false', 's2s_max_retry_delay: 1', 'modules:', '  mod_s2s_dialback: {}']
  return known(
    await startEjabberd({
      folder: join(folder, house),
      domain: `${house}.example`,
      users: [userOf(house)],
      fragment: lines.join('\n'),
      inetrc: inetrc(names),
    }),
  )
}

function known(server: Server): Server {
  closing.push(() => server.stop())
  names.at[server.domain] = server.ports.s2s
  return server
}

function userOf(house: string): string {
  return house === 'capulet' ? 'juliet' : 'romeo'
}

async function client(server: Server): Promise<Client> {
  const made = await Client.login(server, userOf(server.domain.replace('.example', '')))
  closing.push(() => made.end())
  return made
}

it.each([
  ['Prosody and Prosody', prosody, prosody],
  ['Prosody and ejabberd', prosody, ejabberd],
  ['ejabberd and Prosody', ejabberd, prosody],
])('%s: a message and its reply; then nothing is left', async (_, one, other) => {
  const capulet = await one('capulet')
  const montague = await other('montague')
  const juliet = await client(capulet)
  const romeo = await client(montague)
  await juliet.send(romeo.bare, 'Romeo, doff thy name')
  await romeo.receives({ body: 'Romeo, doff thy name', from: juliet.jid })
  await romeo.send(juliet.jid, 'I take thee at thy word')
  await juliet.receives({ body: 'I take thee at thy word', from: romeo.jid, to: juliet.jid })
  for (const server of [capulet, montague]) {
    await server.stop()
    expect(await Promise.all(Object.values(server.ports).map(accepts))).toEqual([false, false, false])
  }
  expect(leftovers(folder)).toEqual([])
})

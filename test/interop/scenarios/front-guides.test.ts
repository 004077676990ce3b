import { describe, expect, it } from 'vitest'
import type { Machine } from '../../kit/machine/machine.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, ping, type Side, talkInRoom } from './conversation.ts'
import { beElsewhere, DOMAIN, fencesOf, follow, prepare, type Section, sectionsOf } from './guide.ts'

// deploy/nginx/README.md and deploy/haproxy/README.md: every command, as root of a machine on which the guide of Prosody has been
// followed; after each of their two ways its user writes to one elsewhere.

const stage = stages()

const HTTPS = 'If the machine may use HTTPS only'
const ONCE_CONFIGURED = ['Start the gateway', 'Restart Prosody']
const MUTUAL = /^If certificates are to count: /

interface Proxy {
  readonly file: string
  readonly unit: string
}

const PROXIES: readonly Proxy[] = [
  { file: 'deploy/nginx/README.md', unit: 'nginx' },
  { file: 'deploy/haproxy/README.md', unit: 'haproxy' },
]

/** The sections of Prosody's guide for a machine without TCP to elsewhere, up to where the gateway is started. */
function ofProsody(): { readonly before: Section[]; readonly after: Section[] } {
  const all = sectionsOf('docs/operations/prosody.md').filter(
    ({ title }) => !title.startsWith('If ') || title === HTTPS,
  )
  return {
    before: all.slice(
      0,
      all.findIndex(({ title }) => title === ONCE_CONFIGURED[0]),
    ),
    after: all.filter(({ title }) => ONCE_CONFIGURED.includes(title)),
  }
}

describe.each(PROXIES)('$file', ({ file, unit }) => {
  const sections = sectionsOf(file).filter(({ blocks }) => blocks.length > 0)
  const [plain, mutual] = [false, true].map(isMutual =>
    sections.filter(({ title }) => MUTUAL.test(title) === isMutual),
  ) as [Section[], Section[]]

  it('both ways, one after the other', { timeout: 180_000 }, async () => {
    const here = stage()
    const { machine, juliet, romeo } = await prepare(here, { rooms: `rooms.${DOMAIN}` })
    const { before, after } = ofProsody()
    for (const section of before) await follow(section, machine)
    await beElsewhere(here, machine)
    for (const section of after) await follow(section, machine)
    const side = await juliet()

    const done = { dialback: 0, 'sasl-external': 0 }
    for (const [way, authentication] of [
      [plain, 'dialback'],
      [mutual, 'sasl-external'],
    ] as const) {
      const read = machine.read(GATEWAY_LOG).length
      for (const section of way) {
        const words = await follow(section, machine)
        if (section.blocks.some(block => block.includes('isthmus config check')))
          await beElsewhere(here, machine)
        if (section.title === 'See that it works')
          expect(words).toContain(`${DOMAIN} reaches montague.example`)
      }
      done[authentication] = await talk(side, romeo)
      const proofs = proofsOf(machine, read)
      expect(proofs.length).toBeGreaterThan(0)
      for (const proof of proofs) expect(proof).toEqual({ authentication, tls: 'proxy' })
    }
    const all = 6 + 4 + 4
    expect(done).toEqual({ dialback: all, 'sasl-external': all })
    expect(machine.read('units').trimEnd().split('\n')).toEqual([
      ...['prosody', 'isthmus', 'prosody'],
      ...['isthmus', unit, 'isthmus', unit],
    ])
    process.stdout.write(`${file}: ${JSON.stringify(done)}\n`)
  })

  it('has no command that this does not run', () => {
    expect([plain.length, mutual.length]).toEqual([3, 2])
    expect(fencesOf(file)).toEqual(sections.flatMap(({ blocks }) => blocks.map(() => 'sh')))
  })
})

const GATEWAY_LOG = 'isthmus.out.log'

/** Messages, pings, and what is said in a room. */
async function talk(a: Side, b: Side): Promise<number> {
  const messages = (await chat(a, b)) + (await chat(b, a))
  const pings = (await ping(a, b)) + (await ping(b, a))
  return messages + pings + (await talkInRoom(a, b))
}

/** How those who came over WebSocket have proven themselves, from a place in the gateway's log on. */
function proofsOf(
  machine: Machine,
  from: number,
): { readonly authentication: string; readonly tls: string }[] {
  const lines = machine.read(GATEWAY_LOG).slice(from).split('\n')
  return lines
    .filter(line => line.includes('"stream:established"'))
    .map(line => JSON.parse(line))
    .filter(({ role, transport }) => role === 'receiving' && transport === 'websocket')
    .map(({ authentication, tls }) => ({ authentication, tls }))
}

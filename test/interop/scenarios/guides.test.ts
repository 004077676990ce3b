import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PROSODY_13 } from '../../kit/servers/prosody.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, ping, talkInRoom } from './conversation.ts'
import { beElsewhere, DOMAIN, fencesOf, follow, prepare, sectionsOf } from './guide.ts'

// docs/operations: every command of the guides, in their order, as root of a machine of its own; then a user of the server
// that came of it writes to one elsewhere.

const PROSODY_13_FOLDER = join(PROSODY_13, '../../..')

const stage = stages()

const fileOf = (server: string) => `docs/operations/${server}.md`

interface Guide {
  readonly server: 'prosody' | 'ejabberd'
  readonly rooms: string
  readonly packages: readonly string[]
  /** titles of the sections that only some have to read, by who they are */
  readonly ways: Readonly<Record<string, readonly string[]>>
  readonly prosody13?: string
}

const HTTPS = 'If the machine may use HTTPS only'
const TCP = 'If the machine may connect over TCP'
const MODULE = 'If you have Prosody 0.12.4 or newer and want DNS left alone'

const CHECK = 'See that it works'

const GUIDES: readonly Guide[] = [
  {
    server: 'prosody',
    rooms: `rooms.${DOMAIN}`,
    packages: ['prosody', 'lua-unbound'],
    ways: { HTTPS: [HTTPS], TCP: [TCP, `${TCP}: whom Prosody trusts`], module: [MODULE] },
  },
  {
    server: 'ejabberd',
    rooms: `conference.${DOMAIN}`,
    packages: ['ejabberd'],
    ways: { HTTPS: [HTTPS], TCP: [TCP, `${TCP}: whom ejabberd trusts`] },
  },
]

describe.each(GUIDES)('the guide of $server', guide => {
  const sections = sectionsOf(fileOf(guide.server))
  const special = Object.values(guide.ways).flat()
  const sectionsFor = (own: readonly string[]) =>
    sections.filter(({ title }) => !special.includes(title) || own.includes(title))

  it.each(Object.entries(guide.ways))('%s', { timeout: 180_000 }, async (way, own) => {
    const here = stage()
    const module = own.includes(MODULE) ? { prosody13: PROSODY_13_FOLDER } : {}
    const { machine, juliet, romeo } = await prepare(here, { ...guide, ...module })
    const began = performance.now()
    for (const section of sectionsFor(own)) {
      const words = await follow(section, machine)
      if (section.blocks.some(block => block.includes('isthmus init '))) await beElsewhere(here, machine)
      if (section.title === CHECK) expect(words).toContain(`${DOMAIN} reaches montague.example`)
    }
    const seconds = Math.round((performance.now() - began) / 1000)
    const side = await juliet()
    const blocks = sectionsFor(own).flatMap(section => section.blocks).length
    const done = {
      messages: (await chat(side, romeo)) + (await chat(romeo, side)),
      pings: (await ping(side, romeo)) + (await ping(romeo, side)),
      roomMessages: await talkInRoom(side, romeo),
    }
    expect(done).toEqual({ messages: 6, pings: 4, roomMessages: 4 })
    expect(lines(machine.read('packages'))).toEqual(guide.packages)
    expect(lines(machine.read('units'))).toEqual([guide.server, 'isthmus', guide.server])
    process.stdout.write(
      `docs/operations/${guide.server}.md, ${way}: ${JSON.stringify({ blocks, seconds, ...done })}\n`,
    )
  })

  it('has no command that no way runs, nor one that is not marked as such', () => {
    const read = Object.values(guide.ways).flatMap(own => sectionsFor(own))
    expect(sections.filter(section => !read.includes(section))).toEqual([])
    const titles = sections.map(({ title }) => title)
    expect([...special, CHECK].filter(title => !titles.includes(title))).toEqual([])
    expect(fencesOf(fileOf(guide.server))).toEqual(sections.flatMap(({ blocks }) => blocks.map(() => 'sh')))
  })
})

function lines(text: string): string[] {
  return text.trimEnd().split('\n')
}

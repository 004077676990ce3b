import { expect, it } from 'vitest'
import { buildHouse, type HouseOptions, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { converse, EVERYTHING } from './conversation.ts'

// Scenarios 1, 2 and 4: what people do with each other, through two gateways.

const stage = stages()

const CAPULET = { name: 'capulet', users: ['juliet'] }
const MONTAGUE = { name: 'montague', users: ['romeo'] }
const PLAIN = ['--security', 'plaintext']
const STRICT = ['--security', 'tls']

it.each<[string, HouseOptions, HouseOptions]>([
  [
    '1. Prosody and Prosody',
    { ...CAPULET, server: 'prosody', init: PLAIN },
    { ...MONTAGUE, server: 'prosody', init: PLAIN },
  ],
  [
    '2. ejabberd and Prosody',
    { ...CAPULET, server: 'ejabberd', init: PLAIN },
    { ...MONTAGUE, server: 'prosody', init: PLAIN },
  ],
  [
    '4. strict servers: Prosody and Prosody',
    { ...CAPULET, server: 'prosody', init: STRICT },
    { ...MONTAGUE, server: 'prosody', init: STRICT },
  ],
  [
    '4. strict servers: ejabberd and Prosody',
    { ...CAPULET, server: 'ejabberd', init: STRICT },
    { ...MONTAGUE, server: 'prosody', init: STRICT },
  ],
])('%s', { timeout: 120_000 }, async (_, one, other) => {
  const here = stage()
  const ports = await publicPorts('capulet', 'montague')
  const capulet = await buildHouse(here, one, ports)
  const montague = await buildHouse(here, other, ports)
  const juliet = await here.login(capulet.server, 'juliet')
  const romeo = await here.login(montague.server, 'romeo')
  const done = await converse(
    { client: juliet, domain: capulet.domain, rooms: capulet.rooms },
    { client: romeo, domain: montague.domain, rooms: montague.rooms },
  )
  expect(done).toEqual(EVERYTHING)
  process.stdout.write(`${_}: ${JSON.stringify(done)}\n`)
})

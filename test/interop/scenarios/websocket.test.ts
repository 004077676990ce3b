import { describe, expect, it } from 'vitest'
import { stages } from '../../kit/servers/stage.ts'
import { converse, EVERYTHING } from './conversation.ts'
import { buildHouses, type House, type HouseOptions } from './houses.ts'

// Scenarios 1, 2 and 4: two servers, a gateway beside each, wss and EXTERNAL between the gateways.

const newStage = stages()

const CAPULET = { domain: 'capulet.example', users: ['juliet'] }
const MONTAGUE = { domain: 'montague.example', users: ['romeo'] }
const LOCALZONE = ['--steering', 'localzone', '--tcp-egress', 'no']

const prosody = (more: Partial<HouseOptions> = {}) =>
  ({ server: 'prosody', security: 'plaintext', init: LOCALZONE, ...more }) as const
const ejabberd = (more: Partial<HouseOptions> = {}) =>
  ({ server: 'ejabberd', security: 'plaintext', init: ['--tcp-egress', 'no'], ...more }) as const

async function conversation([capulet, montague]: readonly House[]) {
  if (capulet === undefined || montague === undefined) throw new TypeError('two houses')
  const juliet = { ...capulet, client: await capulet.login('juliet') }
  const romeo = { ...montague, client: await montague.login('romeo') }
  return converse(juliet, romeo)
}

describe('two servers over WebSocket', () => {
  it.each([
    ['1. Prosody and Prosody', prosody(), prosody()],
    ['2. ejabberd and Prosody', ejabberd(), prosody()],
    [
      '4. strict Prosody and strict ejabberd',
      prosody({ security: 'tls', init: [] }),
      ejabberd({ security: 'tls', init: [] }),
    ],
  ] as const)('%s have the whole conversation', async (_, one, other) => {
    const houses = await buildHouses(newStage(), { ...CAPULET, ...one }, { ...MONTAGUE, ...other })
    expect(await conversation(houses)).toEqual(EVERYTHING)
    for (const { gateway } of houses) {
      await gateway.logs({
        event: 'stream:established',
        transport: 'websocket',
        authentication: 'sasl-external',
      })
    }
  })
})

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Lane } from '../../../src/federation/lane.ts'
import type { Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { CAPULET, numbered } from '../../kit/scripted-network.ts'

/** Deliveries that last until `finish` is called. */
function slowHost() {
  const delivered: number[] = []
  let finish = () => {}
  const deliver = (stanza: Stanza): Promise<void> => {
    delivered.push(Number(stanza.id))
    return new Promise(resolve => {
      finish = resolve
    })
  }
  return { delivered, deliver, finish: () => finish() }
}

function lane(deliver: (stanza: Stanza) => Promise<void> | undefined, queueStanzas = 10) {
  const turns: (() => void)[] = []
  const made = new Lane({
    deliver,
    to: CAPULET,
    limits: { ...defaultLimits, queueStanzas, queueSlowStanzas: queueStanzas / 2 },
    total: { bytes: 0 },
    clock: new VirtualClock(),
    schedule: action => turns.push(action),
  })
  const turn = () => {
    for (const action of turns.splice(0)) action()
  }
  return { made, turn, turns }
}

describe('a lane', () => {
  it('never delivers from within the call that sends', () => {
    const delivered: string[] = []
    const { made, turn } = lane(stanza => void delivered.push(stanza.id))
    made.offer(numbered(1))
    made.offer(numbered(2))
    expect(delivered).toEqual([])
    turn()
    expect(delivered).toEqual(['1', '2'])
  })

  it('leaves what is sent while it delivers to the next turn', () => {
    const delivered: string[] = []
    const { made, turn, turns } = lane(stanza => {
      delivered.push(stanza.id)
      made.offer(numbered(delivered.length + 1))
    })
    made.offer(numbered(1))
    turn()
    expect(delivered).toEqual(['1'])
    turn()
    expect(delivered).toEqual(['1', '2'])
    expect(turns).toHaveLength(1)
  })

  it('waits for a host that is busy, and slows the source', async () => {
    const host = slowHost()
    const { made, turn } = lane(host.deliver)
    for (let number = 1; number <= 4; number++) made.offer(numbered(number))
    turn()
    expect(host.delivered).toEqual([1])
    expect(made.room()).toBeUndefined()
    for (let number = 5; number <= 6; number++) made.offer(numbered(number))
    const room = made.room()
    expect(room).toBeInstanceOf(Promise)
    turn()
    expect(host.delivered).toEqual([1])
    host.finish()
    await room
    expect(host.delivered).toEqual([1, 2])
  })

  it('refuses what is beyond its queue', () => {
    const { made } = lane(slowHost().deliver, 4)
    const refusals = [1, 2, 3, 4, 5].map(number => made.offer(numbered(number)))
    expect(refusals.slice(0, 4)).toEqual([null, null, null, null])
    expect(refusals[4]).toMatchObject({ condition: 'resource-constraint' })
  })

  it('says when it is idle', async () => {
    const host = slowHost()
    const { made, turn } = lane(host.deliver)
    await made.idle()
    made.offer(numbered(1))
    let idle = false
    const done = made.idle().then(() => {
      idle = true
    })
    turn()
    await Promise.resolve()
    expect(idle).toBe(false)
    host.finish()
    await done
    expect(idle).toBe(true)
  })
})

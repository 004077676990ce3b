import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  type Against,
  CLOSE,
  established,
  initiatingAgainst,
  numbered,
  overTcp,
  receivingAgainst,
  STEPS,
  say,
  standingAgainst,
  takenAgainst,
  text,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

const roles = [
  ['initiating', initiatingAgainst, STEPS.receiving],
  ['receiving', receivingAgainst, STEPS.initiating],
] as const

async function* everyStep(): AsyncGenerator<{
  against: Against
  at: string
  steps: number
  stands: boolean
}> {
  for (const [role, make, steps] of roles) {
    for (let count = 0; count <= steps.length; count++) {
      const against = make()
      await say(against, steps, count)
      yield { against, at: `${role}, after ${count} steps`, steps: count, stands: count === steps.length }
    }
  }
}

describe('a wire that dies', () => {
  it('ends the session once, at every step, and leaves no timer', async () => {
    for await (const { against, at, stands } of everyStep()) {
      against.peer.cut()
      await turns()
      expect(against.handler.ends, at).toMatchObject([{ failure: { by: 'network', kind: 'closed' } }])
      expect(against.clock.pending(), at).toBe(0)
      expect(against.events.at(-1), at).toMatchObject({ type: 'stream:ended', established: stands })
    }
  })

  it('in order is a loss all the same, where the stream was not closed', async () => {
    for await (const { against, at } of everyStep()) {
      against.peer.close(1000)
      await turns()
      expect(against.handler.ends, at).toMatchObject([{ failure: { by: 'network', kind: 'closed' } }])
      expect(against.clock.pending(), at).toBe(0)
    }
  })
})

describe('a peer that falls silent', () => {
  it('ends at every step before authentication: told connection-timeout once there is a stream', async () => {
    for await (const { against, at, steps, stands } of everyStep()) {
      if (stands) continue
      await against.clock.pass(
        defaultLimits.openMs + defaultLimits.negotiationMs + 2 * defaultLimits.closeMs,
        500,
      )
      expect(against.handler.ends, at).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
      const isOpen = steps > 0 || at.startsWith('initiating')
      expect(against.seen.texts.join('').includes('connection-timeout'), at).toBe(isOpen)
      expect(against.clock.pending(), at).toBe(0)
    }
  })

  it('gains no time by saying something else', async () => {
    const against = initiatingAgainst()
    const spentMs = defaultLimits.openMs + defaultLimits.negotiationMs + 2 * defaultLimits.closeMs
    for (let ms = 0; ms < spentMs; ms += 1_000) {
      against.peer.ping(1)
      await against.clock.pass(1_000)
    }
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
  })
})

describe('a handler that fails', () => {
  const defect = () => {
    throw new RangeError('a defect')
  }
  const internal = { by: 'us', kind: 'internal', detail: 'RangeError: a defect' }

  it('ends its session, told internal-server-error without a word more', async () => {
    const cases: ((against: Against) => void)[] = [
      ({ handler }) => {
        handler.react = defect
      },
      ({ handler }) => {
        handler.react = () => Promise.reject(new RangeError('a defect'))
      },
    ]
    for (const arrange of cases) {
      const against = await takenAgainst()
      arrange(against)
      await say(against, [text(numbered(1)), CLOSE])
      expect(against.seen.texts.join('')).toContain('internal-server-error')
      expect(against.seen.texts.join('')).not.toContain('RangeError')
      expect(against.handler.ends).toMatchObject([{ failure: internal }])
      expect(against.clock.pending()).toBe(0)
    }
  })

  it('when it is asked whether a stream counts', async () => {
    const against = receivingAgainst()
    against.handler.onEstablished = defect
    await say(against, STEPS.initiating)
    expect(against.session.established).toBeNull()
    expect(against.handler.ends).toMatchObject([{ failure: internal }])
  })

  it('when there is room again', async () => {
    const { initiating, receiving } = await established({ limits: { sendHighWaterBytes: 1_000 } })
    initiating.handler.onDrain = defect
    receiving.transport.pause()
    expect(initiating.handler.standing.send(numbered(1, 2_000))).toBe(false)
    receiving.transport.resume()
    await turns()
    expect(initiating.handler.ends).toMatchObject([{ failure: internal }])
  })

  it('at the very end, harms nobody', async () => {
    const { initiating, receiving, events } = await established()
    initiating.handler.onEnded = defect
    initiating.session.end(null)
    await turns()
    expect(receiving.handler.ends).toMatchObject([{ failure: null }])
    expect(events.filter(({ type }) => type === 'stream:ended')).toHaveLength(2)
  })
})

describe('a peer that closes', () => {
  it('while we still have data: what it has not confirmed comes back', async () => {
    const against = await standingAgainst()
    for (const number of [1, 2, 3]) against.handler.standing.send(numbered(number))
    // It does not read any more, and so answers no ping.
    against.peer.pause()
    await say(against, [CLOSE])
    await against.clock.pass(2 * defaultLimits.closeMs)
    expect(against.handler.unconfirmed).toEqual([1, 2, 3])
    expect(against.clock.pending()).toBe(0)
  })

  it('without a word of its stream, after a violation or an error, ends once', async () => {
    for (const last of ['<', "<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>", CLOSE]) {
      const against = await takenAgainst()
      await say(against, [last])
      against.peer.close(1000)
      await turns()
      await against.clock.pass(2 * defaultLimits.closeMs)
      expect(against.handler.ends, last).toHaveLength(1)
      expect(against.clock.pending(), last).toBe(0)
    }
  })
})

describe('a peer that dribbles', () => {
  it('has a deadline for each element on a wire of bytes, however steadily it writes', async () => {
    const { initiating, receiving, clock } = await established({ wire: overTcp() })
    const bytes = numbered(1, 1_000).bytes
    for (let at = 0; at * 1_000 <= defaultLimits.messageMs + defaultLimits.pingIntervalMs + 10_000; at++) {
      initiating.transport.send(bytes.subarray(at, at + 1))
      await clock.pass(1_000)
    }
    expect(receiving.handler.ends).toMatchObject([
      { failure: { kind: 'violation', condition: 'policy-violation' } },
    ])
    expect(initiating.handler.ends).toMatchObject([
      { failure: { kind: 'reported', condition: 'policy-violation' } },
    ])
  })

  it('is not to blame while we do not read', async () => {
    const limits = { inboundBytesPerSecond: 10, inboundBurstBytes: 2_000 }
    const { initiating, receiving, clock } = await established({ wire: overTcp(), limits })
    const { bytes } = numbered(1, 3_000)
    initiating.transport.send(bytes.subarray(0, 2_500))
    await clock.pass(2 * defaultLimits.messageMs, 5_000)
    initiating.transport.send(bytes.subarray(2_500))
    await clock.pass(10 * defaultLimits.messageMs, 5_000)
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toEqual([])
  })

  it('has its whole deadline when we read on', async () => {
    const limits = { inboundBytesPerSecond: 60, inboundBurstBytes: 2_000, messageMs: 12_000 }
    const { initiating, receiving, clock } = await established({ wire: overTcp(), limits })
    const { bytes } = numbered(1, 3_000)
    initiating.transport.send(bytes.subarray(0, 2_500))
    await clock.pass(26_000)
    initiating.transport.send(bytes.subarray(2_500))
    await clock.pass(60_000)
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toEqual([])
  })

  it('may write space between elements for as long as it likes', async () => {
    const { initiating, receiving, clock } = await established({ wire: overTcp() })
    for (let minute = 0; minute < 60; minute++) {
      initiating.transport.send(' \n')
      await clock.pass(60_000, 10_000)
    }
    initiating.handler.standing.send(numbered(1))
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import type { Custody, EstablishedSession, Watcher } from '../../../src/session/index.ts'
import type { Failure, Stanza } from '../../../src/xmpp/index.ts'
import { established, numbered, type RecordingHandler, type Setting } from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

const ON: Setting = {
  initiatingOptions: { management: { when: 'offered', resumable: true } },
  receivingOptions: { management: { resumable: true } },
}
const CUT: Failure = { by: 'network', kind: 'timeout', detail: 'cut' }

/** The side that took what was lost takes the next stream, and knows what that wants to resume. */
function resumingAt(handler: RecordingHandler): NonNullable<Setting['receivingOptions']> {
  const { management } = handler.standing
  const onResume = (id: string) => (id === management?.id ? management : null)
  return { management: { resumable: true }, handler: Object.assign(handler, { onResume }) }
}

describe('stream management', () => {
  it('[SM-02] is on once the peer is proven, with an id where it can be resumed', async () => {
    const { initiating, receiving } = await established(ON)
    await turns()
    expect(initiating.handler.standing.management?.id).toMatch(/./)
    expect(receiving.handler.standing.management?.id).toBe(initiating.handler.standing.management?.id)
  })

  it('confirms what the peer has taken, unasked after fifty', async () => {
    const { initiating } = await established(ON)
    await turns()
    for (let number = 1; number <= 60; number++) initiating.handler.standing.send(numbered(number))
    await turns()
    expect(initiating.handler.standing.confirmedCount()).toBe(50)
  })

  it('[SM-06] acknowledges nothing that is still being worked on', async () => {
    const { initiating, receiving, clock } = await established(ON)
    await turns()
    let done = () => {}
    receiving.handler.react = () => new Promise(resolve => (done = resolve))
    initiating.handler.standing.send(numbered(1))
    await turns()
    await clock.advance(1_000)
    await turns()
    expect(initiating.handler.standing.confirmedCount()).toBe(0)
    done()
    await turns()
    await clock.advance(1_000)
    await turns()
    expect(initiating.handler.standing.confirmedCount()).toBe(1)
  })

  it('[SM-10] leaves what can be resumed where the transport is lost, and nothing after a close', async () => {
    const lost = await established(ON)
    await turns()
    lost.initiating.handler.standing.send(numbered(1))
    lost.initiating.session.abort(CUT)
    await turns()
    expect(lost.initiating.handler.rests[0]).toMatchObject({ id: expect.stringMatching(/./) })
    const closed = await established(ON)
    await turns()
    closed.initiating.session.end(null)
    await turns()
    expect(closed.initiating.handler.rests).toEqual(['not-taken'])
  })

  it('[SM-08] goes on where it was lost: what was not handled comes again, what was does not, in order', async () => {
    const lost = await established(ON)
    await turns()
    const sender = lost.initiating.handler.standing.management
    for (const number of [1, 2]) lost.initiating.handler.standing.send(numbered(number))
    await turns()
    expect(lost.receiving.handler.numbers).toEqual([1, 2])
    lost.initiating.session.abort(CUT)
    await turns()
    // Sent when nobody could hear of it any more: the window is what is left.
    sender?.window.add(numbered(3))
    const next = await established({
      initiatingOptions: { management: { when: 'offered', resumable: true, resumes: () => sender } },
      receivingOptions: resumingAt(lost.receiving.handler),
    })
    await turns()
    expect(next.initiating.handler.standing.carried).toBe(3)
    expect(next.initiating.handler.standing.confirmedCount()).toBe(2)
    next.initiating.handler.standing.send(numbered(4))
    await turns()
    expect(lost.receiving.handler.numbers).toEqual([1, 2, 3, 4])
  })

  it('[SM-08] drops what comes again although it had come: the host that works on it has it once', async () => {
    const lost = await established(ON)
    await turns()
    const sender = lost.initiating.handler.standing.management
    const { handler } = lost.receiving
    let done = () => {}
    handler.react = () => new Promise(resolve => (done = resolve))
    lost.initiating.handler.standing.send(numbered(1))
    await turns()
    lost.initiating.session.abort(CUT)
    await turns()
    const next = await established({
      initiatingOptions: { management: { when: 'offered', resumable: true, resumes: () => sender } },
      receivingOptions: resumingAt(handler),
    })
    await turns()
    expect(next.initiating.handler.standing.confirmedCount()).toBe(0)
    next.initiating.handler.standing.send(numbered(2))
    await turns()
    expect(handler.numbers).toEqual([1])
    done()
    await turns()
    expect(handler.numbers).toEqual([1, 2])
  })

  it('[SM-08] begins anew where the peer knows of nothing, and leaves what was as it was', async () => {
    const lost = await established(ON)
    await turns()
    const { management } = lost.initiating.handler.standing
    lost.initiating.handler.standing.send(numbered(1))
    lost.initiating.session.abort(CUT)
    await turns()
    const next = await established({
      initiatingOptions: { management: { when: 'offered', resumable: true, resumes: () => management } },
      receivingOptions: { management: { resumable: true } },
    })
    await turns()
    const standing = next.initiating.handler.standing
    expect(standing.carried).toBe(0)
    expect(standing.management).not.toBe(management)
    expect(standing.management?.id).toMatch(/./)
    expect(management?.window.stanzas()).toHaveLength(1)
  })

  it('[SM-09] ends the stream where the peer acknowledges what was never sent', async () => {
    const { initiating, receiving } = await established(ON)
    await turns()
    receiving.transport.send(Buffer.from("<a xmlns='urn:xmpp:sm:3' h='10'/>"))
    await turns()
    expect(initiating.handler.ends[0]?.failure).toMatchObject({ rule: 'SM-09' })
  })

  it.each([
    ['closes', null],
    ['says that it stops', { by: 'us', kind: 'shutdown', detail: 'stopping' } as const],
  ])('[SM-05] has the last word on what has gone on, where the peer %s', async (_, failure) => {
    const { initiating, receiving } = await established(ON)
    await turns()
    const way = { given: 1, taken: 0, settled: () => way.taken, watchers: new Set<Watcher>() }
    receiving.handler.onStanza = (_: Stanza, __?: EstablishedSession, custody?: Custody | null) =>
      custody?.went(way)
    initiating.handler.standing.send(numbered(1))
    await turns()
    initiating.session.end(failure)
    await turns()
    expect(initiating.handler.ends).toEqual([])
    way.taken = 1
    for (const watcher of way.watchers) watcher.settled()
    await turns()
    expect(initiating.handler.ends).toMatchObject([{ unconfirmedCount: 0 }])
  })

  it('[SM-05] says that it may have more yet, where somebody works on it for too long', async () => {
    const { initiating, receiving, clock } = await established(ON)
    await turns()
    receiving.handler.react = () => new Promise(() => {})
    initiating.handler.standing.send(numbered(1))
    await turns()
    receiving.session.end({ by: 'us', kind: 'shutdown', detail: 'stopping' })
    await turns()
    clock.advance(defaultLimits.closeMs / 2)
    await turns()
    initiating.transport.cut()
    await turns()
    expect(initiating.handler.rests).toEqual(['unknown'])
    expect(initiating.handler.ends).toMatchObject([{ unconfirmedCount: 1 }])
  })
})

import { expect, describe as group, it } from 'vitest'
import {
  describe,
  type Failure,
  failureId,
  STANZA_CONDITIONS,
  STREAM_CONDITIONS,
  toRetry,
  toStanzaError,
  toStreamError,
} from '../../../src/xmpp/index.ts'
import { TABLE } from './failure-table.ts'

group('the four total functions', () => {
  it.each(Object.entries(TABLE))('%s', (id, { failure, stream, stanza, retry, text }) => {
    expect(failureId(failure)).toBe(id)
    const streamError = toStreamError(failure)
    expect(streamError?.condition ?? null).toBe(stream)
    if (streamError !== null) expect(STREAM_CONDITIONS).toContain(streamError.condition)
    expect(toStanzaError(failure).condition).toBe(stanza)
    expect(Object.keys(STANZA_CONDITIONS)).toContain(toStanzaError(failure).condition)
    expect(toRetry(failure)).toBe(retry)
    expect(describe(failure)).toBe(text)
    expect(describe(failure)).not.toMatch(/\.$/)
  })

  it('tell no one outside what our own defects say', () => {
    const { failure } = TABLE['us.internal']
    expect(toStreamError(failure)?.detail).toBe('internal error')
    expect(toStanzaError(failure).text).toBe('internal error')
  })

  it.each(STREAM_CONDITIONS.map(condition => ({ condition })))(
    'a peer that reports $condition',
    ({ condition }) => {
      const failure: Failure = { by: 'peer', kind: 'reported', condition, detail: '' }
      const isGone = condition === 'host-unknown' || condition === 'host-gone'
      expect(toStreamError(failure)).toBeNull()
      expect(toStanzaError(failure).condition).toBe(
        isGone ? 'remote-server-not-found' : 'remote-server-timeout',
      )
      expect(toRetry(failure)).toBe(isGone ? 'never' : condition === 'conflict' ? 'later' : 'next')
      expect(describe(failure)).toBe(`the peer ended the stream with ${condition}`)
    },
  )

  it('keep the application element of a violation', () => {
    const failure: Failure = {
      by: 'peer',
      kind: 'violation',
      condition: 'policy-violation',
      rule: 'SZ-24',
      detail: 'stanza too large',
      application: 'stanza-too-big',
    }
    expect(toStreamError(failure)?.application).toBe('stanza-too-big')
  })

  it('refuse what is no failure at all, as a defect of ours', () => {
    const nonsense = JSON.parse('{"by":"nobody","kind":"nothing","detail":""}')
    for (const total of [toStreamError, toStanzaError, toRetry, describe]) {
      expect(() => total(nonsense)).toThrow(TypeError)
    }
  })
})

import { expect, it } from 'vitest'
import { memoryTransportPair } from '../../../src/transport/index.ts'
import { complianceLimits, Recorder, transportCompliance } from '../../kit/transport-compliance.ts'

for (const [mode, pings] of [
  ['message', true],
  ['chunk', false],
] as const) {
  transportCompliance({
    name: `memory (${mode})`,
    mode,
    pings,
    async connect(handlers) {
      const { initiating, receiving } = memoryTransportPair({
        mode,
        pings,
        limits: complianceLimits,
        ...(mode === 'chunk' ? { cut: available => Math.ceil(available / 3) } : {}),
      })
      initiating.setMaxMessageBytes(complianceLimits.stanzaBytes)
      receiving.setMaxMessageBytes(complianceLimits.stanzaBytes)
      initiating.attach(handlers.initiating)
      receiving.attach(handlers.receiving)
      return { initiating, receiving, reset: () => receiving.cut(), stop: async () => receiving.cut() }
    },
  })
}

it('delivers one step at a time where a test drives it', () => {
  const steps: (() => void)[] = []
  const { initiating, receiving } = memoryTransportPair({
    limits: complianceLimits,
    schedule: action => steps.push(action),
  })
  const recorder = new Recorder()
  initiating.attach(new Recorder())
  receiving.attach(recorder)
  initiating.send('<a/>')
  initiating.send('<b/>')
  expect(recorder.texts).toEqual([])
  steps.shift()?.()
  expect(recorder.texts).toEqual(['<a/>'])
  steps.shift()?.()
  expect(recorder.texts).toEqual(['<a/>', '<b/>'])
  expect(steps).toEqual([])
})

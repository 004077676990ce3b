import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../../../src/gateway/log.ts'
import { runUntilSignalled } from '../../../src/gateway/signals.ts'

/** A gateway's life cycle, whose stop ends when told. */
function running(started: Promise<void> = Promise.resolve()) {
  const lines: string[] = []
  const signals = new EventEmitter()
  const calls = { reloads: 0, stops: 0, drained: () => {} }
  const gateway = {
    reload: async () => {
      calls.reloads++
    },
    stop: () => {
      calls.stops++
      return new Promise<void>(resolve => {
        calls.drained = resolve
      })
    },
  }
  const ended = runUntilSignalled(
    () => started.then(() => gateway),
    signals,
    createLogger({ level: 'info', format: 'text' }, { write: line => lines.push(line) }),
  )
  return { signals, calls, ended, lines }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

describe('runUntilSignalled', () => {
  it.each(['SIGTERM', 'SIGINT'])('%s drains', async name => {
    const { signals, calls, ended, lines } = running()
    expect(calls.stops).toBe(0)
    signals.emit(name)
    await turn()
    expect(calls.stops).toBe(1)
    calls.drained()
    expect(await ended).toBe('drained')
    expect(lines.join('')).toContain(`${name}: draining`)
    expect(signals.eventNames()).toEqual([])
  })

  it('a second signal does not wait for the end', async () => {
    const { signals, ended, calls } = running()
    signals.emit('SIGTERM')
    await turn()
    signals.emit('SIGINT')
    expect(await ended).toBe('cut')
    expect(calls.stops).toBe(1)
  })

  it('a signal during the start drains as soon as there is something to drain', async () => {
    let finish = () => {}
    const { signals, calls, ended } = running(
      new Promise(resolve => {
        finish = resolve
      }),
    )
    signals.emit('SIGHUP')
    signals.emit('SIGTERM')
    await turn()
    expect(calls).toMatchObject({ stops: 0, reloads: 0 })
    finish()
    await turn()
    expect(calls.stops).toBe(1)
    calls.drained()
    expect(await ended).toBe('drained')
  })

  it('a start that fails leaves nobody listening', async () => {
    const { signals, ended } = running(Promise.reject(new Error('no port')))
    await expect(ended).rejects.toThrow('no port')
    expect(signals.eventNames()).toEqual([])
  })

  it('SIGHUP reads the configuration again, as often as it comes', async () => {
    const { signals, calls, ended } = running()
    await turn()
    signals.emit('SIGHUP')
    signals.emit('SIGHUP')
    expect(calls).toMatchObject({ reloads: 2, stops: 0 })
    signals.emit('SIGTERM')
    await turn()
    calls.drained()
    await ended
  })
})

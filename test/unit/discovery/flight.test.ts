import { describe, expect, it } from 'vitest'
import { LruMap } from '../../../src/discovery/cache.ts'
import { Flight } from '../../../src/discovery/flight.ts'
import { Slots } from '../../../src/discovery/slots.ts'

const never = () => new AbortController().signal

describe('a flight', () => {
  const taking = () => {
    let land: (value: string) => void = () => {}
    let aborted = false
    const flight = new Flight<string>(
      signal =>
        new Promise(resolve => {
          land = resolve
          signal.addEventListener('abort', () => {
            aborted = true
            resolve('given up')
          })
        }),
    )
    return { flight, land: (value: string) => land(value), aborted: () => aborted }
  }

  it('lands once for all', async () => {
    const { flight, land } = taking()
    const all = [flight.join(never()), flight.join(never())]
    land('here')
    expect(await Promise.all(all)).toEqual(['here', 'here'])
    expect(await flight.join(never())).toBe('here')
    expect(flight.abandoned).toBe(false)
  })

  it('goes on while one waits, and ends with the last', async () => {
    const { flight, aborted } = taking()
    const [one, other] = [new AbortController(), new AbortController()]
    const all = [flight.join(one.signal), flight.join(other.signal)]
    expect(await flight.join(AbortSignal.abort())).toBeNull()
    one.abort()
    expect(aborted()).toBe(false)
    other.abort()
    expect(aborted()).toBe(true)
    expect(flight.abandoned).toBe(true)
    expect(await Promise.all(all)).toEqual([null, null])
  })

  it('is not given up by who comes to its end', async () => {
    const { flight, land, aborted } = taking()
    const late = new AbortController()
    const joined = flight.join(late.signal)
    land('here')
    await joined
    late.abort()
    expect(aborted()).toBe(false)
  })
})

describe('slots', () => {
  it('let in so many, then one for each that leaves, in order', async () => {
    const slots = new Slots(2, 2)
    expect(await Promise.all([slots.enter(never()), slots.enter(never())])).toEqual([true, true])
    const entered: string[] = []
    const giveUp = new AbortController()
    const third = slots.enter(giveUp.signal).then(ok => ok && entered.push('third'))
    const fourth = slots.enter(never()).then(ok => ok && entered.push('fourth'))
    expect(await slots.enter(never())).toBe(false)
    giveUp.abort()
    expect(await third).toBe(false)
    // Who gave up takes neither turn nor place.
    const fifth = slots.enter(never()).then(ok => ok && entered.push('fifth'))
    slots.leave()
    await fourth
    slots.leave()
    await fifth
    expect(entered).toEqual(['fourth', 'fifth'])
    slots.leave()
    slots.leave()
    expect(await Promise.all([slots.enter(never()), slots.enter(never())])).toEqual([true, true])
    expect(await new Slots(1, 1).enter(AbortSignal.abort())).toBe(false)
  })
})

describe('the cache', () => {
  it('forgets what was not used for longest', () => {
    const map = new LruMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    expect(map.get('a')).toBe(1)
    map.set('c', 3)
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2])
  })
})

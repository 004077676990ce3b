import { describe, expect, it } from 'vitest'
import { Custody, type Watcher, type Way } from '../../../src/session/custody.ts'

class Route implements Way {
  given = 0
  done = 0
  readonly watchers = new Set<Watcher>()

  settled(): number {
    return this.done
  }

  settle(count: number): void {
    this.done += count
    for (const watcher of [...this.watchers]) watcher.settled()
  }
}

/** One more stanza, which goes on by `route`, or is taken at once. */
function take(custody: Custody, route: Route | null): void {
  custody.came()
  if (route !== null) {
    route.given += 1
    custody.went(route)
  }
  custody.handed()
}

describe('what of a peer’s stanzas is taken', () => {
  it('is all of it where each is taken as it comes', () => {
    const custody = new Custody()
    for (let n = 0; n < 3; n++) take(custody, null)
    expect([custody.received, custody.taken()]).toEqual([3, 3])
  })

  it('ends before the first that goes on and has no outcome, whatever came behind it', () => {
    const custody = new Custody()
    const [slow, quick] = [new Route(), new Route()]
    for (const route of [null, slow, quick, null, slow]) take(custody, route)
    quick.settle(1)
    expect(custody.taken()).toBe(1)
    slow.settle(1)
    expect(custody.taken()).toBe(4)
    slow.settle(1)
    expect([custody.taken(), custody.isAwaiting]).toEqual([5, false])
    expect([slow.watchers.size, quick.watchers.size]).toEqual([0, 0])
  })

  it('counts no stanza of others on the same way', () => {
    const custody = new Custody()
    const route = new Route()
    take(custody, route)
    route.given += 2
    take(custody, route)
    route.settle(3)
    expect(custody.taken()).toBe(1)
    route.settle(1)
    expect(custody.taken()).toBe(2)
  })

  it('is told as it grows', async () => {
    const custody = new Custody()
    let told = 0
    custody.onTaken = () => {
      told += 1
    }
    const route = new Route()
    take(custody, route)
    route.settle(1)
    expect(told).toBe(1)
    custody.came()
    custody.hold(Promise.resolve())
    custody.handed()
    expect(custody.taken()).toBe(1)
    await custody.work
    expect([custody.taken(), told]).toEqual([2, 2])
  })
})

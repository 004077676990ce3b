import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import { Admission, type Place } from '../../../src/front/admission.ts'
import { sourceOf } from '../../../src/front/source.ts'

function admission(limits: Partial<typeof defaultLimits> = {}) {
  let nowMs = 0
  const evicted: string[] = []
  const subject = new Admission(
    { ...defaultLimits, newBurstPerAddress: 1_000, ...limits },
    { ...systemClock, monotonicMs: () => nowMs },
  )
  return {
    subject,
    evicted,
    pass(ms: number) {
      nowMs += ms
    },
    enter(address: string): Place {
      const admitted = subject.enter(address, () => evicted.push(address))
      if (!admitted.ok) throw new Error(admitted.reason)
      return admitted.place
    },
    reason(address: string): string {
      const admitted = subject.enter(address, () => {})
      return admitted.ok ? 'ok' : admitted.reason
    },
  }
}

it('an IPv4 address is a source, mapped into IPv6 or not; in IPv6 it is the /64', () => {
  for (const [address, source] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ] as const) {
    expect(sourceOf(address), address).toBe(source)
  }
})

describe('admission', () => {
  it('counts the unauthenticated of a source, wherever in its network they come from', () => {
    const { enter } = admission({ unauthenticatedPerAddress: 2 })
    const first = enter('2001:db8::1')
    const second = enter('2001:db8::2')
    expect([first.crowded, second.crowded]).toEqual([false, false])
    expect(enter('2001:db8::3').crowded).toBe(true)
    expect(enter('2001:db8:0:1::1').crowded).toBe(false)
    first.authenticated()
    first.authenticated()
    expect(enter('2001:db8::4').crowded).toBe(false)
    expect(enter('2001:db8::5').crowded).toBe(true)
    second.leave()
    second.leave()
    expect(enter('2001:db8::6').crowded).toBe(false)
    expect(enter('2001:db8::7').crowded).toBe(true)
  })

  it('what is crowded takes no place from those who come later', () => {
    const { enter, subject } = admission({ unauthenticatedPerAddress: 1 })
    const first = enter('192.0.2.1')
    const crowded = enter('192.0.2.1')
    first.leave()
    expect(enter('192.0.2.1').crowded).toBe(false)
    crowded.leave()
    expect(enter('192.0.2.1').crowded).toBe(true)
    expect(subject.connections).toBe(2)
  })

  it('ends the oldest unauthenticated where there are too many of them, not the authenticated', () => {
    const { enter, evicted, subject } = admission({ unauthenticatedTotal: 2 })
    enter('192.0.2.1').authenticated()
    enter('192.0.2.2')
    enter('192.0.2.3')
    enter('192.0.2.4')
    enter('192.0.2.5')
    expect(evicted).toEqual(['192.0.2.2', '192.0.2.3'])
    expect(subject.unauthenticated).toBe(2)
    expect(subject.connections).toBe(5)
  })

  it('holds no more connections than it may, of whatever kind', () => {
    const { enter, reason } = admission({ connections: 2 })
    const first = enter('192.0.2.1')
    first.authenticated()
    enter('192.0.2.2')
    expect(reason('192.0.2.3')).toBe('connections')
    first.leave()
    expect(reason('192.0.2.3')).toBe('ok')
  })

  it('gives a source its burst and its rate, each source its own', () => {
    const { pass, reason } = admission({ newBurstPerAddress: 3, newPerSecondPerAddress: 2 })
    const times = (count: number) => Array.from({ length: count }, () => reason('192.0.2.1'))
    expect(times(4)).toEqual(['ok', 'ok', 'ok', 'rate'])
    expect(reason('192.0.2.2')).toBe('ok')
    pass(500)
    expect(times(2)).toEqual(['ok', 'rate'])
    pass(60_000)
    expect(times(4)).toEqual(['ok', 'ok', 'ok', 'rate'])
  })

  it('remembers a bounded number of sources, the latest', () => {
    const { reason } = admission({ newBurstPerAddress: 1, newPerSecondPerAddress: 1, trackedAddresses: 2 })
    expect([reason('192.0.2.1'), reason('192.0.2.2')]).toEqual(['ok', 'ok'])
    expect(reason('192.0.2.1')).toBe('rate')
    // The third pushes out the second, which has been silent for longest.
    expect(reason('192.0.2.3')).toBe('ok')
    expect(reason('192.0.2.1')).toBe('rate')
    expect(reason('192.0.2.2')).toBe('ok')
  })
})

describe('a place that is lent to proxied requests', () => {
  it('counts nowhere but in the total until all of them are over, then as before', () => {
    const { subject, enter } = admission({ unauthenticatedPerAddress: 1 })
    const place = enter('192.0.2.1')
    const [first, second] = [place.lend(), place.lend()]
    expect([subject.connections, subject.unauthenticated]).toEqual([1, 0])
    first()
    first()
    expect(subject.unauthenticated).toBe(0)
    expect(enter('192.0.2.1').crowded).toBe(false)
    second()
    expect(subject.unauthenticated).toBe(2)
    // Another one has come meanwhile.
    expect(place.crowded).toBe(true)
    place.leave()
    expect([subject.connections, subject.unauthenticated]).toEqual([1, 1])
    expect(enter('192.0.2.1').crowded).toBe(true)
  })

  it('is nobody’s once it is gone, and stays authenticated where it was', () => {
    const { subject, enter } = admission()
    const gone = enter('192.0.2.1')
    const back = gone.lend()
    gone.leave()
    back()
    const proven = enter('192.0.2.2')
    const over = proven.lend()
    proven.authenticated()
    over()
    expect([subject.connections, subject.unauthenticated]).toEqual([1, 0])
  })

  it('is not the oldest that goes; but is the youngest when it is back', () => {
    const { evicted, enter } = admission({ unauthenticatedTotal: 2 })
    const back = enter('192.0.2.1').lend()
    for (const address of ['192.0.2.2', '192.0.2.3']) enter(address)
    expect(evicted).toEqual([])
    back()
    expect(evicted).toEqual(['192.0.2.2'])
  })
})

describe('the connection of a proxy', () => {
  function proxied(limits: Partial<typeof defaultLimits> = {}) {
    const { subject, evicted } = admission(limits)
    return {
      subject,
      evicted,
      enter(name: string): Place {
        const admitted = subject.enterForOthers(() => evicted.push(name))
        if (!admitted.ok) throw new Error(admitted.reason)
        return admitted.place
      },
    }
  }

  it('may be anybody’s, and goes first, until a request has shown the proxy', () => {
    const { subject, evicted, enter } = proxied({ unauthenticatedTotal: 2, unauthenticatedPerAddress: 1 })
    const first = enter('first')
    first.vouched()
    first.vouched()
    const second = enter('second')
    expect([subject.connections, subject.unauthenticated]).toEqual([2, 1])
    expect([first.crowded, second.crowded, enter('third').crowded]).toEqual([false, false, false])
    enter('fourth').leave()
    expect(evicted).toEqual(['second'])
    expect([subject.connections, subject.unauthenticated]).toEqual([3, 1])
  })

  it('counts once, whether or not it was vouched for before it came for somebody', () => {
    const { subject, enter } = proxied({ unauthenticatedPerAddress: 1 })
    for (const name of ['first', 'second']) {
      const place = enter(name)
      if (name === 'first') place.vouched()
      expect(place.claim('192.0.2.1')).toBe(true)
      // What comes later on says nothing of whose it is.
      place.vouched()
      expect([place.crowded, subject.unauthenticated]).toEqual([false, 1])
      place.leave()
    }
    expect([subject.connections, subject.unauthenticated]).toEqual([0, 0])
  })

  it('is nobody’s but in the total, and never evicted, until it comes for somebody', () => {
    const { subject, evicted, enter } = proxied({ unauthenticatedTotal: 1, unauthenticatedPerAddress: 1 })
    const shown = (name: string) => {
      const place = enter(name)
      place.vouched()
      return place
    }
    const [first, second, third] = [shown('first'), shown('second'), shown('third')]
    expect([subject.connections, subject.unauthenticated]).toEqual([3, 0])
    expect([first.claim('192.0.2.1'), second.claim('192.0.2.1'), third.claim('192.0.2.2')]).toEqual([
      true,
      true,
      true,
    ])
    expect([first.crowded, second.crowded, third.crowded]).toEqual([false, true, false])
    expect(evicted).toEqual(['first', 'second'])
  })

  it('comes for nobody who comes too fast', () => {
    const { subject, enter } = proxied({ newBurstPerAddress: 1, newPerSecondPerAddress: 1 })
    expect([enter('first').claim('192.0.2.1'), enter('second').claim('192.0.2.1')]).toEqual([true, false])
    expect(enter('third').claim('192.0.2.2')).toBe(true)
    // The second has not been vouched for.
    expect([subject.connections, subject.unauthenticated]).toEqual([3, 3])
  })

  it('counts once, although a proxied request was under way when it came for somebody', () => {
    const { subject, enter } = proxied({ unauthenticatedPerAddress: 1 })
    const place = enter('first')
    const over = place.lend()
    place.claim('192.0.2.1')
    over()
    place.leave()
    expect([subject.connections, subject.unauthenticated]).toEqual([0, 0])
    const next = enter('second')
    next.claim('192.0.2.1')
    expect(next.crowded).toBe(false)
  })
})

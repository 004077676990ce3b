import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, defaultLimits, type Event, type Limits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import type { Delivery } from '../../../src/federation/index.ts'
import { type ComponentOptions, component } from '../../../src/hosts/index.ts'
import { type Domain, message, type Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { componentHost, placeOf, SECRET, TestComponent } from '../../kit/component.ts'
import { domain } from '../../kit/fronts.ts'
import { RecordingContext } from '../../kit/host-compliance.ts'
import { stanza } from '../../kit/stanza.ts'

const BOT = 'bot.example'
const ROMEO = 'romeo@montague.example/orchard'

class Context extends RecordingContext {
  override readonly clock: Clock
  override readonly limits: Limits

  constructor(clock: Clock, limits: Partial<Limits>) {
    super(BOT)
    this.clock = clock
    this.limits = { ...defaultLimits, ...limits }
  }
}

const stopping: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop()
})

async function stage(
  options: Partial<ComponentOptions> = {},
  { clock = systemClock, limits = {} }: { clock?: Clock; limits?: Partial<Limits> } = {},
) {
  const host = componentHost(options)
  const context = new Context(clock, limits)
  const events: Event[] = []
  context.observer.subscribe(event => events.push(event))
  await host.start(context)
  stopping.push(() => {
    const stopped = host.stop(1_000)
    if (clock instanceof VirtualClock) clock.advance(1_000)
    return stopped
  })
  const connect = () => {
    const made = new TestComponent(placeOf(host))
    stopping.push(async () => void made.socket.destroy())
    return made
  }
  return { host, context, events, connect }
}

const domainsOf = ({ domains }: Context) => domains as Set<Domain>

const TAKEN: Delivery = { taken: true }
const AWAY = 'bot.example: the component behind this name is not connected'

const say = (id: string | number, body = 'x') =>
  message({ from: ROMEO, to: `a@${BOT}`, id: String(id), type: 'chat', body })
const until = async (isTrue: () => boolean) => {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}
const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index))
const hasLeft = (events: readonly Event[], count = 1) =>
  until(() => events.filter(({ type }) => type === 'stream:ended').length >= count)
const errors = (sent: readonly Stanza[]) => sent.filter(({ type }) => type === 'error')
const textOf = ({ bytes }: Stanza) => Buffer.from(bytes).toString()

describe('a component that is away', () => {
  it('its senders are told at once, in words', async () => {
    const { host } = await stage()
    expect(await host.deliver(say(1))).toEqual({
      taken: false,
      condition: 'remote-server-timeout',
      text: AWAY,
    })
  })

  it('is away as soon as it has closed, and here as soon as it has proven itself', async () => {
    const { host, events, connect } = await stage()
    const bot = await connect().enter(BOT)
    bot.leave()
    await bot.rest()
    expect(await host.deliver(say(1))).toMatchObject({ taken: false })
    const again = await connect().enter(BOT)
    expect(await host.deliver(say(2))).toEqual(TAKEN)
    again.vanish()
    await hasLeft(events, 2)
    expect(await host.deliver(say(3))).toMatchObject({ taken: false })
  })

  it('what is held comes first, in order, when it is back', async () => {
    const { host, context, connect } = await stage({ holdMs: 60_000 })
    for (const id of numbers(1, 10)) expect(host.deliver(say(id))).toEqual(TAKEN)
    const bot = await connect().enter(BOT)
    expect(await host.deliver(say(11))).toEqual(TAKEN)
    await bot.sees(({ ids }) => (ids.length === 11 ? true : undefined))
    expect(bot.ids).toEqual(numbers(1, 11))
    expect(context.sent).toEqual([])
  })

  it('what is held goes back when its time is over, each at its own; errors and results vanish', async () => {
    const clock = new VirtualClock()
    const { host, context } = await stage({ holdMs: 10_000 }, { clock })
    expect(host.deliver(say(1))).toEqual(TAKEN)
    clock.advance(5_000)
    expect(host.deliver(say(2))).toEqual(TAKEN)
    const result = `<iq xmlns='jabber:server' from='${ROMEO}' to='${BOT}' id='r' type='result'/>`
    expect(host.deliver(stanza(result))).toEqual(TAKEN)
    clock.advance(4_999)
    expect(context.sent).toEqual([])
    clock.advance(1)
    expect(context.sent.map(({ id, type }) => [id, type])).toEqual([['1', 'error']])
    clock.advance(5_000)
    expect(context.sent.map(({ id }) => id)).toEqual(['1', '2'])
    for (const error of context.sent) {
      expect(textOf(error)).toContain('remote-server-timeout')
      expect(textOf(error)).toContain('was not back within 10 s')
      expect(error).toMatchObject({ from: { domain: BOT, local: 'a' }, to: { domain: 'montague.example' } })
    }
    expect(clock.pending()).toBe(0)
  })

  it('what is held is bounded: first its source is slowed, then told', async () => {
    const limits = { queueSlowStanzas: 3, queueStanzas: 5 }
    const { host, connect } = await stage({ holdMs: 60_000 }, { limits })
    const deliveries = numbers(1, 6).map(id => host.deliver(say(id)))
    expect(deliveries.slice(0, 3)).toEqual([TAKEN, TAKEN, TAKEN])
    expect(deliveries.slice(3, 5).every(delivery => delivery instanceof Promise)).toBe(true)
    expect(deliveries[5]).toMatchObject({ taken: false, condition: 'resource-constraint' })
    const bot = await connect().enter(BOT)
    expect(await Promise.all(deliveries.slice(3, 5))).toEqual([TAKEN, TAKEN])
    await bot.sees(({ ids }) => (ids.length === 5 ? true : undefined))
    expect(bot.ids).toEqual(numbers(1, 5))
  })

  it('what is held is bounded in bytes; one that is larger than all still has room alone', async () => {
    const { host } = await stage({ holdMs: 60_000 }, { limits: { queueBytes: 1_000 } })
    expect(host.deliver(say(1, 'x'.repeat(2_000)))).toEqual(TAKEN)
    expect(host.deliver(say(2))).toMatchObject({ taken: false, condition: 'resource-constraint' })
  })

  it('who waits there when we stop is told so', async () => {
    const { host, context } = await stage({ holdMs: 60_000 }, { limits: { queueSlowStanzas: 1 } })
    expect(host.deliver(say(1))).toEqual(TAKEN)
    const second = host.deliver(say(2))
    await host.stop(1_000)
    expect(errors(context.sent).map(({ id }) => id)).toEqual(['1'])
    expect(await second).toMatchObject({ taken: false, text: 'this server is stopping' })
    expect(host.deliver(say(3))).toMatchObject({ taken: false, text: 'this server is stopping' })
  })
})

describe('a component that reads slowly', () => {
  const limits = { sendHighWaterBytes: 16 * 1024, sendMaxMs: 60_000, queueStanzas: 20 }
  const BODY = 'x'.repeat(20_000)

  /** Deliver until the host asks to wait. @returns the last, unsettled */
  async function fill(host: { deliver(stanza: Stanza): Delivery | Promise<Delivery> }) {
    for (let id = 1; ; id++) {
      const delivery = host.deliver(say(id, BODY))
      if (delivery instanceof Promise) return { id, delivery }
      expect(delivery).toEqual(TAKEN)
      await turns(2)
    }
  }

  it('slows its sources, and gets everything in order', async () => {
    const { host, connect } = await stage({}, { limits })
    const bot = await connect().enter(BOT)
    bot.socket.pause()
    const { id, delivery } = await fill(host)
    let settled = false
    void delivery.then(() => {
      settled = true
    })
    await turns()
    expect(settled).toBe(false)
    const next = host.deliver(say(id + 1))
    bot.socket.resume()
    expect(await delivery).toEqual(TAKEN)
    expect(await next).toEqual(TAKEN)
    await bot.sees(({ ids }) => (ids.length === id + 1 ? true : undefined))
    expect(bot.ids).toEqual(numbers(1, id + 1))
  })

  it('is not waited for by more than there is room for', async () => {
    const { host, connect } = await stage({}, { limits })
    const bot = await connect().enter(BOT)
    bot.socket.pause()
    await fill(host)
    let refused: Delivery | undefined
    for (let count = 1; count < 100 && refused === undefined; count++) {
      const delivery = host.deliver(say(count))
      if (!(delivery instanceof Promise)) refused = delivery
      else if (count > limits.queueStanzas) break
    }
    expect(refused).toMatchObject({ taken: false, condition: 'resource-constraint' })
  })

  it('that reads nothing is cut in time; what it had not been given goes back', async () => {
    const clock = new VirtualClock()
    const { host, events, connect } = await stage({}, { limits, clock })
    const bot = await connect().enter(BOT)
    bot.socket.pause()
    const { delivery } = await fill(host)
    clock.advance(limits.sendMaxMs)
    await hasLeft(events)
    expect(await delivery).toEqual({ taken: false, condition: 'remote-server-timeout', text: AWAY })
    expect(events.at(-1)).toMatchObject({ type: 'stream:ended', reason: 'network.timeout' })
  })

  it('and is replaced: what it had not been given goes to the other, in order', async () => {
    const { host, connect } = await stage({ second: 'replace' }, { limits })
    const slow = await connect().enter(BOT)
    slow.socket.pause()
    const { id, delivery } = await fill(host)
    const more = numbers(id + 1, id + 5).map(number => host.deliver(say(number)))
    const other = await connect().enter(BOT)
    expect(await Promise.all([delivery, ...more])).toEqual(Array.from({ length: 6 }, () => TAKEN))
    expect(await host.deliver(say(id + 6))).toEqual(TAKEN)
    await other.sees(({ ids }) => (ids.length === 7 ? true : undefined))
    expect(other.ids).toEqual(numbers(id, id + 6))
    slow.socket.resume()
    await slow.rest()
    expect(slow.error).toBe('conflict')
    expect(slow.ids).toEqual(numbers(1, id - 1))
  })
})

describe('a host that gets another name, and loses it', () => {
  it('has a seat for it, and ends its stream; the other component goes on', async () => {
    const { host, context, connect } = await stage()
    const bot = await connect().enter(BOT)
    const CAT = 'cat.example'
    const early = connect()
    await expect(early.enter(CAT)).rejects.toThrow()
    domainsOf(context).add(domain(CAT))
    host.serve?.(domain(CAT))
    const cat = await connect().enter(CAT)
    await host.deliver(message({ from: ROMEO, to: `a@${CAT}`, id: '1', type: 'chat', body: 'x' }))
    await until(() => cat.ids.length === 1)

    await host.leave?.(domain(CAT), 1_000)
    await cat.rest()
    expect([cat.error, bot.error]).toEqual(['host-gone', undefined])
    const late = message({ from: ROMEO, to: `a@${CAT}`, id: '2', type: 'chat', body: 'x' })
    expect(await host.deliver(late)).toMatchObject({ taken: false, condition: 'service-unavailable' })
    await expect(connect().enter(CAT)).rejects.toThrow()
    await host.deliver(say('3'))
    await until(() => bot.ids.length === 1)
  })
})

it('a component is slowed while there is no room for what it sends', async () => {
  const { context, connect } = await stage()
  const bot = await connect().enter(BOT)
  context.shut()
  for (const id of numbers(1, 5)) bot.say(`<presence from='${BOT}' to='${ROMEO}' id='${id}'/>`)
  await until(() => context.sent.length > 0)
  await turns()
  expect(context.sent).toHaveLength(1)
  context.open()
  await until(() => context.sent.length === 5)
  expect(context.sent.map(({ id }) => id)).toEqual(numbers(1, 5))
})

it('a component is no flood, however much it has to say', async () => {
  const { context, connect } = await stage(
    {},
    { limits: { inboundBurstBytes: 1_000, inboundBytesPerSecond: 1 } },
  )
  const bot = await connect().enter(BOT)
  bot.send(
    stanza(
      `<message xmlns='jabber:server' from='${BOT}' to='${ROMEO}' id='1'><body>${'x'.repeat(9_000)}</body></message>`,
    ),
  )
  bot.send(stanza(`<message xmlns='jabber:server' from='${BOT}' to='${ROMEO}' id='2'/>`))
  await until(() => context.sent.length === 2)
})

it('listens on a unix socket as well', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-'))
  stopping.push(async () => rmSync(folder, { recursive: true }))
  const { host, connect } = await stage({ listen: { path: join(folder, 'component.sock') } })
  const bot = await connect().enter(BOT)
  expect(await host.deliver(say(1))).toEqual(TAKEN)
  await bot.sees(({ ids }) => (ids.length === 1 ? true : undefined))
})

it('lets in only who may connect, and says who may not', async () => {
  const { events, connect } = await stage({ allow: ['192.0.2.0/24'] })
  await connect().rest()
  expect(events).toContainEqual({
    type: 'connection:refused',
    address: '127.0.0.1',
    reason: 'limit',
    detail: 'address not allowed',
  })
})

it('tells how a component has proven itself, never the secret', async () => {
  const { events, connect } = await stage()
  await connect().enter(BOT)
  expect(events.find(({ type }) => type === 'stream:established')).toMatchObject({
    role: 'receiving',
    local: BOT,
    remote: BOT,
    transport: 'tcp',
    tls: 'none',
    authentication: 'handshake',
  })
  expect(JSON.stringify(events)).not.toContain(SECRET)
})

it('is started once, with a secret, and stops before it has been', async () => {
  expect(() => componentHost({ secret: '' })).toThrow(TypeError)
  const { host, context } = await stage()
  await expect(host.start(context)).rejects.toThrow(TypeError)
  const other = component({ listen: placeOf(host), secret: SECRET, second: 'refuse', holdMs: 0 })
  await expect(other.start(context)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await other.stop(1_000)
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import type { FederationOptions } from '../../../src/index.ts'
import { message, type Stanza } from '../../../src/xmpp/index.ts'
import { type Country, federations, type Town } from '../../kit/federations.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { Program } from '../../kit/servers/process.ts'

// Two gateways of one domain behind one balancer, which gives each connection to the next of them. They share nothing but the
// certificate and the secret that dialback keys are made of.

const JULIET = 'juliet@capulet.example'
const ROMEO = 'romeo@montague.example'
const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Balanced {
  readonly first: Town
  readonly second: Town
  readonly montague: Town
}

async function balanced(more: { readonly montague?: Partial<FederationOptions> } = {}): Promise<Balanced> {
  const [port = 0] = await takePorts(1)
  const both = { name: 'capulet.example', more: { dialbackSecret: 'what both make keys of' } }
  const country: Country = await federations(
    [both, both, { name: 'montague.example', ...(more.montague ? { more: more.montague } : {}) }],
    {
      limits: { retryMinMs: 20, retryMaxMs: 100 },
      connect: { 'capulet.example:443': `127.0.0.1:${port}` },
    },
  )
  closing.push(() => country.close())
  const [first, second, montague] = country.towns
  if (first === undefined || second === undefined || montague === undefined) throw new Error('three')
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-balancer-'))
  closing.push(async () => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  retries 3
  option redispatch 1
frontend s2s
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  balance roundrobin
  server first ${first.relay.address}
  server second ${second.relay.address}
`,
  )
  const balancer = new Program({
    name: 'haproxy',
    program: 'haproxy',
    args: ['-db', '-f', 'haproxy.cfg'],
    folder,
    ports: [port],
    log: join(folder, 'out.log'),
  })
  closing.push(() => balancer.stop())
  await balancer.start()
  return { first, second, montague }
}

const say = (from: string, to: string, id: string) => message({ from, to, id, type: 'chat', body: id })
const numbersOf = (stanzas: readonly Stanza[]) =>
  stanzas.filter(({ type }) => type === 'chat').map(({ id }) => Number(id))
const isNoted = ({ bytes }: Stanza) => Buffer.from(bytes).includes("xmlns='urn:xmpp:delay'")

/** A hundred a second, with something done now and then. */
async function write({ montague }: Balanced, count: number, each: (number: number) => Promise<void>) {
  for (let number = 1; number <= count; number++) {
    await montague.federation.send(say(ROMEO, JULIET, String(number)))
    await sleep(10)
    await each(number)
  }
  const deadlineMs = performance.now() + 20_000
  while (montague.federation.account().held > 0 && performance.now() < deadlineMs) await sleep(20)
}

it('a key that one has made is known to the other', { timeout: 60_000 }, async () => {
  const towns = await balanced({
    montague: { listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }] },
  })
  const { first, second, montague } = towns
  for (let number = 1; number <= 3; number++) {
    for (const [index, town] of [first, second].entries()) {
      await town.federation.send(say(JULIET, ROMEO, `${number}${index}`))
      await montague.host.receives(({ id }) => id === `${number}${index}`)
    }
    // The next one is proven anew, and asked about wherever the balancer leads.
    montague.relay.cut()
    await sleep(50)
  }
  const asked = montague.events.filter(event => event.type === 'dialback:asked')
  expect(asked.length).toBeGreaterThanOrEqual(6)
  for (const question of asked) expect(question).toMatchObject({ outcome: 'valid' })
})

it('a resumption that comes to the other is refused, and nothing is lost', { timeout: 60_000 }, async () => {
  const towns = await balanced()
  const { first, second, montague } = towns
  const count = 600
  await write(towns, count, async number => {
    if (number % 60 !== 30) return
    for (const { relay } of [first, second]) relay.cut()
  })
  const arrived = [...first.host.received, ...second.host.received]
  const told = new Set(
    montague.host.received.filter(({ type }) => type === 'error').map(({ id }) => Number(id)),
  )
  const seen = new Set(numbersOf(arrived))
  for (let number = 1; number <= count; number++)
    expect([number, seen.has(number) || told.has(number)]).toEqual([number, true])
  const twice = numbersOf(arrived).length - seen.size
  const account = montague.federation.account()
  // Each has had some, so that streams were refused; and whatever came twice bears a note.
  expect(Math.min(first.host.received.length, second.host.received.length)).toBeGreaterThan(0)
  expect(account.resent).toBeGreaterThan(0)
  expect(twice).toBeLessThanOrEqual(arrived.filter(isNoted).length)
  expect(twice).toBeLessThanOrEqual(account.resent)
  expect(account).toMatchObject({ bounced: 0, held: 0 })
  process.stdout.write(`two gateways, cut: ${JSON.stringify({ twice, told: told.size, ...account })}\n`)
})

it('one is stopped in order: its streams move to the other, and everything arrives once', {
  timeout: 60_000,
}, async () => {
  const towns = await balanced()
  const { first, second, montague } = towns
  const count = 400
  let ending: Promise<void> | null = null
  await write(towns, count, async number => {
    if (number !== 200) return
    const leaving = first.host.received.length > 0 ? first : second
    leaving.relay.target = null
    ending = leaving.federation.close()
  })
  await ending
  const arrived = [...first.host.received, ...second.host.received]
  expect(numbersOf(arrived).sort((a, b) => a - b)).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  )
  expect(Math.min(first.host.received.length, second.host.received.length)).toBeGreaterThan(0)
  expect(montague.federation.account()).toMatchObject({ delivered: count, resent: 0, bounced: 0, inDoubt: 0 })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { type Account, close, isClosed } from './account.ts'
import { type Delay, delayedWay } from './delay.ts'
import { Gateway } from './gateway.ts'
import { Party } from './party.ts'

const NAMES = ['capulet.example', 'montague.example'] as const
const READY_MS = 15_000

export interface StageOptions {
  /** keys of [limits] of both gateways */
  readonly limits?: Readonly<Record<string, string | number>>
  /** how many names beside its own capulet.example has */
  readonly also?: number
  /** verona.example is reached there, on 127.0.0.1; capulet.example itself is left to the row, and its other names speak */
  readonly verona?: () => Promise<number>
  /** of what passes between the two, either way */
  readonly delay?: Delay
  /** how many files each may have open */
  readonly openFiles?: number
  /** the clock of montague's can be stepped */
  readonly hasClock?: boolean
}

/** Two gateways, each with its component, and streams between them that have carried something both ways. */
export interface Stage {
  readonly capulet: Party
  readonly montague: Party
  readonly ports: readonly number[]
  readonly caPem: string
  /** a new one */
  issue(domain: string): TestCertificate
  /** holds the configuration and the log of each */
  readonly folder: string
  /** @param keep leave the folder where it is */
  end(keep: boolean): Promise<void>
}

export async function buildStage({
  limits = {},
  also = 0,
  verona,
  delay,
  openFiles,
  hasClock = false,
}: StageOptions = {}): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-faults-'))
  const authority = testAuthority()
  const issue = (domain: string) =>
    authority.issue({ dns: [domain, `*.${domain}`], ekus: ['serverAuth', 'clientAuth'] })
  const ports = await takePorts(4)
  const veronaPort = await verona?.()
  const ways =
    delay === undefined ? [] : await Promise.all(ports.slice(0, 2).map(port => delayedWay(port, delay)))
  const reachedAt = (index: number) => ways[index]?.port ?? ports[index] ?? 0
  const gateways = NAMES.map(
    (domain, index) =>
      new Gateway({
        folder: join(folder, domain),
        domain,
        also: index === 0 ? Array.from({ length: also }, (_, at) => `town${at + 1}.${domain}`) : [],
        port: ports[index] ?? 0,
        componentPort: ports[index + 2] ?? 0,
        peers: {
          ...Object.fromEntries(
            NAMES.map((name, at) => [name, reachedAt(at)] as const).filter(([name]) => name !== domain),
          ),
          ...(veronaPort === undefined
            ? {}
            : { 'verona.example': veronaPort, 'town1.capulet.example': ports[0] ?? 0 }),
        },
        certificate: issue(domain),
        caPem: authority.caPem,
        limits,
        hasClock: hasClock && index === 1,
        ...(openFiles === undefined ? {} : { openFiles }),
      }),
  )
  const [one, other] = gateways
  if (one === undefined || other === undefined) throw new Error('a stage has two gateways')
  let parties: readonly Party[] = []
  const end = async (keep: boolean) => {
    for (const party of parties) party.close()
    for (const way of ways) way.close()
    await Promise.all(gateways.map(gateway => gateway.end('SIGKILL')))
    if (!keep) rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(gateways.map(gateway => gateway.start()))
    const names = verona === undefined ? one.names : one.names.slice(1)
    const capulet = new Party(one, other.domain, names)
    const montague = new Party(other, names[0] ?? one.domain)
    parties = [capulet, montague]
    await until('both components are connected', () => capulet.isConnected && montague.isConnected)
    const warm = [
      [capulet, montague],
      [montague, capulet],
    ] as const
    for (const party of parties) party.begin('warm')
    await Promise.all(parties.map(party => party.speak(AbortSignal.timeout(200))))
    await until('messages go both ways', () =>
      warm.every(([from, to]) => isClosed(from, to) && to.arrivals.length > 0),
    )
    return { capulet, montague, ports: ports.slice(0, 2), issue, caPem: authority.caPem, folder, end }
  } catch (error) {
    await end(true)
    throw new Error(`${error instanceof Error ? error.message : String(error)} (logs: ${folder})`)
  }
}

export type Direction = readonly [speaker: Party, hearer: Party]

export interface Told {
  readonly accounts: readonly Account[]
  /** from the end of the fault to the first message that was written after it; null: none came */
  readonly recoveryMs: number | null
  /** from the fault to the first end of a stream in a gateway's log; null: there is none */
  readonly detectionMs: number | null
  /** what the fault itself has shown that must not be */
  readonly found: readonly string[]
}

export interface Course {
  readonly directions: readonly Direction[]
  readonly beforeMs: number
  /** Resolves when the fault is over, with what it has shown that must not be. */
  readonly fault: () => Promise<readonly string[]>
  readonly afterMs: number
  /** at most, from the last word until each number has its outcome */
  readonly settleMs: number
}

let runs = 0

/** Speak, have the fault, go on speaking, wait for the outcomes, and close the account. */
export async function tell(course: Course): Promise<Told> {
  const { directions, settleMs } = course
  runs += 1
  for (const party of new Set(directions.flat())) party.begin(`run${runs}`)
  const done = new AbortController()
  const speaking = directions.map(([speaker]) => speaker.speak(done.signal))
  let faultWallMs = 0
  let overMs = 0
  let found: readonly string[]
  try {
    await sleep(course.beforeMs)
    faultWallMs = Date.now()
    found = await course.fault()
    overMs = performance.now()
    await sleep(course.afterMs)
  } finally {
    // Also behind a fault that throws: who goes on speaking keeps the process.
    done.abort()
    await Promise.all(speaking)
  }
  const deadlineMs = performance.now() + settleMs
  const closed = () => directions.every(([speaker, hearer]) => isClosed(speaker, hearer))
  while (!closed() && performance.now() < deadlineMs) await sleep(20)
  // A copy too many comes behind.
  await sleep(300)
  const recoveries = directions.map(direction => recovery(direction, overMs))
  return {
    accounts: directions.map(([speaker, hearer]) => close(speaker, hearer)),
    recoveryMs: recoveries.includes(null) ? null : Math.max(...recoveries.map(ms => ms ?? 0)),
    detectionMs: detection(directions, faultWallMs),
    found,
  }
}

function recovery([speaker, hearer]: Direction, overMs: number): number | null {
  const first = speaker.sentAtMs.findIndex(ms => ms > overMs) + 1
  const times = hearer.arrivals
    .filter(({ number }) => first > 0 && number >= first)
    .map(({ atMs }) => atMs - overMs)
  return times.length === 0 ? null : Math.min(...times)
}

function detection(directions: readonly Direction[], sinceMs: number): number | null {
  const gateways = new Set(directions.flat().map(({ gateway }) => gateway))
  const times = [...gateways].flatMap(gateway =>
    gateway
      .logged('stream:ended')
      .map(({ time }) => Date.parse(String(time)) - sinceMs)
      .filter(ms => ms >= 0),
  )
  return times.length === 0 ? null : Math.min(...times)
}

async function until(what: string, isSo: () => boolean, withinMs = READY_MS): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(20)
  }
}

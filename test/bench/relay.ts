import { type Bench, compare, type Measured, median } from './bench.ts'
import { cpuUs } from './relay/cpu.ts'
import { OUT } from './relay/pieces.ts'
import { isProsodyInstalled, startProsodies } from './relay/prosody.ts'
import { type Carrier, type Direction, type Rig, startRig } from './relay/rig.ts'

// The gateway beside a server of its own, in a process of its own: s2s over TCP on one side, over wss on the other. What it
// costs is compared with what the same sockets cost: a process that copies the same stanzas, as bytes, between TCP and TLS.

const ROUNDS = 15
const CORPUS = OUT.length
/** in the first round, which does not count, and from which the others' length follows */
const FIRST_STANZAS = 100 * CORPUS
/** how long one half of a round takes, about: short, so that both halves see the same machine */
const HALF_MS = 500
/** of one half of a round at sparse load: the corpus a few times, so that every round has the same mix */
const SPARSE_STANZAS = 4 * CORPUS

/** the first one does not count */
const PROSODY_ROUNDS = 3
/** in a round */
const PROSODY_CORPORA = 20

const BYTES = OUT.reduce((sum, { length }) => sum + length, 0) / CORPUS

const WAY: Readonly<Record<Direction, string>> = { out: 'TCP to wss', in: 'wss to TCP' }

/** As many as go through. */
function bulk(direction: Direction, atLeast: number): Bench {
  return {
    name: `relay-${direction}`,
    title: `stanzas relayed from ${WAY[direction]}, against a pipe of bytes`,
    unit: 'x',
    limit: { atLeast },
    run: signal =>
      withRig(direction, signal, async (gateway, pipe) => {
        const ours = { cpuUs: [] as number[] }
        const theirs = { cpuUs: [] as number[] }
        const measured = await compare(ROUNDS, throughput(gateway, ours), throughput(pipe, theirs))
        return {
          figure: measured.ratio,
          details: [
            ['gateway', measured.ours, 'stanzas/s'],
            ['gateway', (measured.ours * BYTES) / 1e6, 'MB/s'],
            ['pipe', measured.theirs, 'stanzas/s'],
            ['pipe', (measured.theirs * BYTES) / 1e6, 'MB/s'],
            ['gateway, processor', median(ours.cpuUs), 'us/stanza'],
            ['pipe, processor', median(theirs.cpuUs), 'us/stanza'],
          ],
        }
      }),
  }
}

/**
 * One stanza under way at a time, so that each has a turn of the event loop to itself. What is compared is processor time: the
 * rate is that of whoever sends.
 */
function sparse(direction: Direction, atMost: number): Bench {
  return {
    name: `relay-${direction}-sparse`,
    title: `processor time of a stanza that comes alone, ${WAY[direction]}, against a pipe of bytes`,
    unit: 'x',
    limit: { atMost },
    run: signal =>
      withRig(direction, signal, async (gateway, pipe) => {
        const measured = await compare(ROUNDS, oneByOne(gateway), oneByOne(pipe))
        return {
          figure: measured.ratio,
          details: [
            ['gateway', measured.ours, 'us/stanza'],
            ['pipe', measured.theirs, 'us/stanza'],
          ],
        }
      }),
  }
}

/** The same stanzas between two servers of which each has one of the domains. */
const prosody: Bench = {
  name: 'relay-prosody',
  title: 'stanzas from Prosody to Prosody, s2s over TCP',
  unit: 'stanzas/s',
  limit: null,
  async run() {
    if (!isProsodyInstalled()) return { figure: null, details: [] }
    const { pids, carry, end } = await startProsodies()
    try {
      const rounds: { readonly perSecond: number; readonly cpuUs: readonly number[] }[] = []
      for (let round = 0; round <= PROSODY_ROUNDS; round++) {
        const count = PROSODY_CORPORA * CORPUS
        const beganUs = pids.map(cpuUs)
        const beganMs = performance.now()
        await carry(PROSODY_CORPORA)
        rounds.push({
          perSecond: (count * 1_000) / (performance.now() - beganMs),
          cpuUs: pids.map((pid, index) => (cpuUs(pid) - (beganUs[index] ?? 0)) / count),
        })
      }
      rounds.shift()
      const processor = (index: number) => median(rounds.map(({ cpuUs }) => cpuUs[index] ?? 0))
      return {
        figure: median(rounds.map(({ perSecond }) => perSecond)),
        details: [
          ['sending, processor', processor(0), 'us/stanza'],
          ['receiving, processor', processor(1), 'us/stanza'],
        ],
      }
    } finally {
      await end()
    }
  },
}

/** With stream management on the stream over wss, against the same without it. */
function managed(direction: Direction, atLeast: number): Bench {
  return {
    name: `relay-${direction}-sm`,
    title: `stanzas relayed from ${WAY[direction]} with stream management, against the same without`,
    unit: 'x',
    limit: { atLeast },
    async run(signal) {
      const rigs: Rig[] = []
      try {
        for (const management of ['both', 'domain'] as const) {
          const rig = await startRig(direction, signal, management)
          rigs.push(rig)
          await rig.gateway.carry(FIRST_STANZAS)
        }
        const [on, off] = rigs
        if (on === undefined || off === undefined) throw new TypeError('two rigs')
        const seen = { cpuUs: [] as number[] }
        const seenOff = { cpuUs: [] as number[] }
        const measured = await compare(ROUNDS, throughput(on.gateway, seen), throughput(off.gateway, seenOff))
        return {
          figure: measured.ratio,
          details: [
            ['with', measured.ours, 'stanzas/s'],
            ['without', measured.theirs, 'stanzas/s'],
            ['with, processor', median(seen.cpuUs), 'us/stanza'],
            ['without, processor', median(seenOff.cpuUs), 'us/stanza'],
          ],
        }
      } finally {
        for (const rig of rigs) await rig.end()
      }
    },
  }
}

export const relayManaged: readonly Bench[] = [managed('out', 0.9), managed('in', 0.9)]

export const relay: readonly Bench[] = [
  bulk('out', 0.13),
  bulk('in', 0.16),
  sparse('out', 2.2),
  sparse('in', 2.2),
  prosody,
]

async function withRig(
  direction: Direction,
  signal: AbortSignal,
  measure: (gateway: Carrier, pipe: Carrier) => Promise<Measured>,
): Promise<Measured> {
  const rig = await startRig(direction, signal)
  try {
    // Whatever Node makes of hot code, it has made then.
    for (const carrier of [rig.gateway, rig.pipe]) await carrier.carry(FIRST_STANZAS)
    return await measure(rig.gateway, rig.pipe)
  } finally {
    await rig.end()
  }
}

/** Stanzas per second of one half of a round, which is as long as the last one's rate says. */
function throughput({ pid, carry }: Carrier, seen: { readonly cpuUs: number[] }): () => Promise<number> {
  let count = FIRST_STANZAS
  return async () => {
    const beganUs = cpuUs(pid)
    const beganMs = performance.now()
    await carry(count)
    const perMs = count / (performance.now() - beganMs)
    seen.cpuUs.push((cpuUs(pid) - beganUs) / count)
    count = Math.max(1, Math.round((perMs * HALF_MS) / CORPUS)) * CORPUS
    return perMs * 1_000
  }
}

/** Microseconds of processor time for each stanza. */
function oneByOne({ pid, carry }: Carrier): () => Promise<number> {
  return async () => {
    const beganUs = cpuUs(pid)
    for (let left = SPARSE_STANZAS; left > 0; left--) await carry(1)
    return (cpuUs(pid) - beganUs) / SPARSE_STANZAS
  }
}

import type { Clock, Random } from '../base/index.ts'
import { message } from '../xmpp/index.ts'
import type { Conversation, Speaker } from './demo-talk.ts'

/** How the conversation goes on while connections are cut. */
export interface ChaosProgress {
  /** cuts so far */
  readonly cuts: number
  readonly sent: number
  readonly delivered: number
}

export interface ChaosOptions {
  /** @returns whether there was a connection to cut */
  readonly cut: () => boolean
  readonly onCut: (progress: ChaosProgress) => void
  readonly signal: AbortSignal
  readonly random: Random
  readonly clock: Clock
}

/**
 * Both speak, a word every WORD_MS, while their connections are cut every few seconds. Resolves once enough cuts have been
 * survived and everything has arrived, or PATIENCE_MS after the last word. Rejects with the reason of `signal`.
 */
export async function converseThroughCuts(
  first: Speaker,
  second: Speaker,
  options: ChaosOptions,
): Promise<Conversation> {
  const { cut, onCut, signal, random, clock } = options
  const wait = (ms: number) => waiting(ms, signal, clock)
  const sum = (of: 'sent' | 'delivered' | 'bounced') => first.host[of] + second.host[of]
  const progress = () => ({ cuts, sent: sum('sent'), delivered: sum('delivered') })
  const nextCutMs = () => clock.monotonicMs() + CUT_MIN_MS + random.unit() * (CUT_MAX_MS - CUT_MIN_MS)
  let cuts = 0
  let cutAtMs = nextCutMs()
  for (let word = 1; cuts < CUTS || clock.monotonicMs() < cutAtMs; word++) {
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      const [sender, hearer] = [from, to].map(({ person, domain }) => `${person}@${domain}`)
      const said = { from: sender ?? '', to: hearer ?? '', id: `word-${from.domain}-${word}` }
      await from.host.send(message({ ...said, type: 'chat', body: `word ${word}` }))
    }
    // While the words are on their way.
    if (cuts < CUTS && clock.monotonicMs() >= cutAtMs) {
      if (cut()) {
        cuts += 1
        onCut(progress())
      }
      cutAtMs = nextCutMs()
    }
    await wait(WORD_MS)
  }
  const untilMs = clock.monotonicMs() + PATIENCE_MS
  while (sum('delivered') + sum('bounced') < sum('sent') && clock.monotonicMs() < untilMs) await wait(WORD_MS)
  const [sent, delivered, bounced] = [sum('sent'), sum('delivered'), sum('bounced')]
  const problem = delivered === sent ? null : `of ${sent} stanzas ${delivered} were delivered`
  return { stanzas: { sent, delivered, bounced }, problem, cuts }
}

const WORD_MS = 50
const CUTS = 4
const CUT_MIN_MS = 1_500
const CUT_MAX_MS = 2_500
const PATIENCE_MS = 20_000

function waiting(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.cancel()
      reject(signal.reason)
    }
    const timer = clock.setTimer(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

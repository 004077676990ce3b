import type { Account } from './kit/account.ts'
import type { Stage, StageOptions, Told } from './kit/stage.ts'
import type { Result } from './results.ts'

/** A fault of the table, and what must hold. */
export type Row = StagedRow | ScenarioRow

interface Fault {
  /** for `--row` */
  readonly name: string
  readonly fault: string
  readonly mustHold: string
  /** of the whole table; the CI part has three of each */
  readonly runs: number
  /** it is no part of CI, and why */
  readonly notInCi?: string
  /** what the clocks of a run were divided by, where they were */
  readonly clocks?: string
}

/** Two gateways and components of the harness. */
export interface StagedRow extends Fault {
  readonly stage?: StageOptions
  /** each run has processes of its own; else a run that holds leaves them to the next */
  readonly isFresh: boolean
  run(stage: Stage): Promise<Told>
  /** What does not hold: a sentence for each. */
  violations(told: Told): readonly string[]
}

/** A scenario of test/interop with real servers and users, which asserts by itself what must hold. */
export interface ScenarioRow extends Fault {
  runScenario(): Promise<Result>
}

export interface Expectation {
  readonly lost?: 0
  /** told: nothing can say what had come, and it is enough that the sender was told so; else none may be in doubt */
  readonly inDoubt?: 'told'
  readonly bounced?: 0
  readonly duplicates?: 0 | 'flagged'
  readonly order?: 'kept'
  readonly recoveryMs?: number
}

/** What is expected of every direction. Nobody is ever told of a delivered message that it was not. */
export function expecting(wanted: Expectation): (told: Told) => readonly string[] {
  return ({ accounts, recoveryMs, found: shown }) => {
    const found = [
      ...shown,
      ...accounts.flatMap(account => [
        ...some(wanted.lost === 0, 'lost', account, account.lost),
        ...some(wanted.lost === 0 && wanted.inDoubt !== 'told', 'in doubt', account, account.inDoubt),
        ...some(true, 'not told once, with a text', account, account.badlyTold),
        ...some(true, 'ambiguous', account, account.ambiguous),
        ...some(true, 'not bounced once, with a text', account, account.badlyBounced),
        ...some(wanted.duplicates === 0, 'duplicates', account, account.duplicates),
        ...some(wanted.duplicates === 'flagged', 'unflagged duplicates', account, account.unflagged),
        ...some(wanted.order === 'kept', 'out of order', account, account.reordered),
        ...(wanted.bounced === 0 && account.bounced > 0
          ? [`${account.direction}: bounced ${account.bounced}`]
          : []),
      ]),
    ]
    const limitMs = wanted.recoveryMs
    if (limitMs === undefined || (recoveryMs !== null && recoveryMs < limitMs)) return found
    return [...found, recoveryMs === null ? 'no recovery' : `recovery after ${Math.round(recoveryMs)} ms`]
  }
}

function some(isWanted: boolean, what: string, { direction }: Account, numbers: readonly number[]): string[] {
  return isWanted && numbers.length > 0 ? [`${direction}: ${what} ${numbers.length}: ${ranges(numbers)}`] : []
}

/** '3-7, 9' of ascending numbers */
function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = []
  for (const number of numbers) {
    const last = parts.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else parts.push([number, number])
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

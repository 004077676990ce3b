/** What is measured, and what it must reach. Only ratios are judged where the machine matters. */
export interface Bench {
  readonly name: string
  /** what the figure is, for the table */
  readonly title: string
  readonly unit: string
  /** null: a yardstick */
  readonly limit: Limit | null
  /** Bounded by `signal`; whatever it starts has ended when the promise settles. */
  run(signal: AbortSignal): Promise<Measured>
}

export type Limit = ({ readonly atLeast: number } | { readonly atMost: number }) & { readonly goal?: number }

export interface Measured {
  /** null: what is measured is not on this machine */
  readonly figure: number | null
  /** what it was made of, and what stands beside it; [name, value, unit] */
  readonly details: readonly (readonly [string, number, string])[]
}

export function meets(figure: number | null, limit: Limit | null): boolean {
  if (limit === null) return true
  if (figure === null) return false
  return 'atLeast' in limit ? figure >= limit.atLeast : figure <= limit.atMost
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted[sorted.length >> 1]
  if (middle === undefined) throw new TypeError('no values')
  return sorted.length % 2 === 1 ? middle : (middle + (sorted[(sorted.length >> 1) - 1] ?? middle)) / 2
}

export interface Comparison {
  /** medians of the rounds */
  readonly ours: number
  readonly theirs: number
  /** median of the rounds' own ratios: what slows the machine for a while slows both halves of a round */
  readonly ratio: number
}

/**
 * Two subjects in turn, each round in the other order, after one round that does not count.
 * @param ours, theirs what is compared: rates, or costs
 */
export async function compare(
  rounds: number,
  ours: () => number | Promise<number>,
  theirs: () => number | Promise<number>,
): Promise<Comparison> {
  const measured: { ours: number; theirs: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    if (round % 2 === 0) measured.push({ ours: await ours(), theirs: await theirs() })
    else {
      const first = await theirs()
      measured.push({ ours: await ours(), theirs: first })
    }
  }
  measured.shift()
  return {
    ours: median(measured.map(round => round.ours)),
    theirs: median(measured.map(round => round.theirs)),
    ratio: median(measured.map(round => round.ours / round.theirs)),
  }
}

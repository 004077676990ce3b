import { isInDoubt, type Party } from './party.ts'

/** What became of the numbers of one direction. Each list is of numbers, ascending. */
export interface Account {
  readonly direction: string
  readonly sent: number
  readonly delivered: number
  /** the sender was told, once, that it did not arrive, and it did not */
  readonly bounced: number
  /** told more than once, or without a text */
  readonly badlyBounced: readonly number[]
  /** came, and the sender was told that it did not */
  readonly ambiguous: readonly number[]
  /** did not come, and the sender was told that it may have */
  readonly inDoubt: readonly number[]
  /** of those: told more than once, or without a text */
  readonly badlyTold: readonly number[]
  readonly duplicates: readonly number[]
  /** of those: no copy but the first has a delay stamp, by which to know it */
  readonly unflagged: readonly number[]
  /** the first copy came behind a higher number */
  readonly reordered: readonly number[]
  /** no outcome at all: sent = delivered + bounced + inDoubt + lost */
  readonly lost: readonly number[]
}

/** Messages can always be bounced, and at the end of a run nothing is held: what is still held then counts as lost. */
export function close(speaker: Party, hearer: Party): Account {
  const copies = new Map<number, boolean[]>()
  const reordered: number[] = []
  let highest = 0
  for (const { number, isStamped } of hearer.arrivals) {
    const known = copies.get(number)
    if (known !== undefined) {
      known.push(isStamped)
      continue
    }
    copies.set(number, [isStamped])
    if (number < highest) reordered.push(number)
    highest = Math.max(highest, number)
  }
  const sent = speaker.sentAtMs.length
  const numbers = Array.from({ length: sent }, (_, index) => index + 1)
  const told = (number: number) => speaker.errors.get(number) ?? []
  const refused = (number: number) => told(number).some(text => !isInDoubt(text))
  const came = (number: number) => copies.has(number)
  const duplicates = numbers.filter(number => (copies.get(number)?.length ?? 0) > 1)
  const bounced = numbers.filter(number => !came(number) && refused(number))
  const inDoubt = numbers.filter(number => !came(number) && !refused(number) && told(number).length > 0)
  const isBadlyTold = (number: number) =>
    told(number).length !== 1 || !/<text[ >]/.test(told(number)[0] ?? '')
  return {
    direction: `${speaker.gateway.domain} to ${hearer.gateway.domain}`,
    sent,
    delivered: numbers.filter(came).length,
    bounced: bounced.length,
    badlyBounced: bounced.filter(isBadlyTold),
    ambiguous: numbers.filter(number => came(number) && refused(number)),
    inDoubt,
    badlyTold: inDoubt.filter(isBadlyTold),
    duplicates,
    unflagged: duplicates.filter(
      number =>
        !copies
          .get(number)
          ?.slice(1)
          .every(isStamped => isStamped),
    ),
    reordered: reordered.sort((one, other) => one - other),
    lost: numbers.filter(number => !came(number) && told(number).length === 0),
  }
}

/** Whether every number has its outcome. */
export function isClosed(speaker: Party, hearer: Party): boolean {
  // Asked again and again, of up to a million.
  if (hearer.arrivals.length + speaker.errors.size < speaker.sentAtMs.length) return false
  const known = new Set(hearer.arrivals.map(({ number }) => number))
  for (const number of speaker.errors.keys()) known.add(number)
  return known.size >= speaker.sentAtMs.length
}

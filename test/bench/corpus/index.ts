import { Buffer } from 'node:buffer'
import { iqs } from './iqs.ts'
import { messages } from './messages.ts'
import { presences } from './presences.ts'
import { Dice } from './write.ts'

/** Between which domains the corpus goes. */
export const CORPUS_PAIR = { from: 'capulet.example', to: 'montague.example' } as const

/**
 * What one domain sends to another in a busy hour, written for this project: every kind of stanza, many scripts, the
 * writing habits of different software. It is the same on every machine, in an order that mixes the kinds, and
 * comes as a transport hands it over.
 */
export function corpus(
  pair: { readonly from: string; readonly to: string } = CORPUS_PAIR,
): readonly Buffer[] {
  const dice = new Dice(468)
  const pen = { dice, ...pair }
  const stanzas = [...messages(pen), ...presences(pen), ...iqs(pen)]
  for (let left = stanzas.length; left > 1; left--) {
    const other = dice.roll(left)
    const [one, two] = [stanzas[left - 1] ?? '', stanzas[other] ?? '']
    stanzas[left - 1] = two
    stanzas[other] = one
  }
  return stanzas.map(text => Buffer.from(text))
}

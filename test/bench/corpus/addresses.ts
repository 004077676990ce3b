import { NEIGHBOURS, PEOPLE, RESOURCES, ROOMS } from './texts.ts'
import type { Pen } from './write.ts'

/** Full addresses of people on either side. */
export function full(pen: Pen, side: 'from' | 'to' = 'from'): string {
  return `${bare(pen, side)}/${pen.dice.pick(RESOURCES)}`
}

export function bare(pen: Pen, side: 'from' | 'to' = 'from'): string {
  return `${pen.dice.pick(side === 'from' ? PEOPLE : NEIGHBOURS)}@${pen[side]}`
}

export function room(pen: Pen): string {
  return `${pen.dice.pick(ROOMS)}@${pen.from}`
}

/** The attributes of an iq. */
export const head = (pen: Pen, type: 'get' | 'set' | 'result' | 'error') => ({
  from: full(pen),
  to: full(pen, 'to'),
  type,
  id: pen.dice.roll(2) === 0 ? pen.dice.uuid() : pen.dice.hex(8),
})

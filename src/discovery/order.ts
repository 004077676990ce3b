import type { Random } from '../base/index.ts'
import type { Link } from './link.ts'

/**
 * DS-24: ascending priority; within one priority weighted random as RFC 2782 has it: those of weight 0 first, a running
 * sum, a draw from [0, sum]. Links that say nothing come in any order (DS-08).
 */
export function ordered(links: readonly Link[], random: Random): Link[] {
  const byPriority = new Map<number, Link[]>()
  for (const link of links) {
    const group = byPriority.get(link.priority)
    if (group === undefined) byPriority.set(link.priority, [link])
    else group.push(link)
  }
  return [...byPriority.keys()]
    .sort((a, b) => a - b)
    .flatMap(priority => drawn(byPriority.get(priority) ?? [], random))
}

function drawn(group: readonly Link[], random: Random): Link[] {
  const left = shuffled(group, random).sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0))
  const order: Link[] = []
  while (left.length > 0) {
    const sum = left.reduce((total, { weight }) => total + weight, 0)
    let draw = Math.floor(random.unit() * (sum + 1))
    const index = left.findIndex(({ weight }) => {
      draw -= weight
      return draw <= 0
    })
    order.push(...left.splice(index, 1))
  }
  return order
}

function shuffled(group: readonly Link[], random: Random): Link[] {
  return group
    .map(link => ({ link, place: random.unit() }))
    .sort((a, b) => a.place - b.place)
    .map(({ link }) => link)
}

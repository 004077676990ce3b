import type { Direction, Stage } from './kit/stage.ts'

export const bothWays = ({ capulet, montague }: Stage): readonly Direction[] => [
  [capulet, montague],
  [montague, capulet],
]

/** The random moment of a fault. */
export const between = (lowMs: number, highMs: number) => lowMs + Math.random() * (highMs - lowMs)

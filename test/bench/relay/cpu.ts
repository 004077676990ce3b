import { readdirSync, readFileSync } from 'node:fs'

const NS_PER_US = 1_000

/**
 * What a process has used of the processors so far, all its threads together, in microseconds: the scheduler's own
 * account, because `stat` counts in ticks of 10 ms. Linux only; of a process of ours whose threads stay.
 */
export function cpuUs(pid: number): number {
  const threads = `/proc/${pid}/task`
  let sumNs = 0
  for (const thread of readdirSync(threads)) {
    const [runningNs] = readFileSync(`${threads}/${thread}/schedstat`, 'latin1').split(' ')
    sumNs += Number(runningNs)
  }
  return sumNs / NS_PER_US
}

import { execFileSync } from 'node:child_process'

// What happens to connections, from outside the processes. All of it inside the network namespace of this run: nobody
// else's packets are touched.

const run = (program: string, ...args: readonly string[]) =>
  execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()

const lines = (text: string) => text.split('\n').filter(line => line.trim() !== '').length

/** Once, at the start: the namespace has a loopback that is down. */
export function openNamespace(): void {
  run('ip', 'link', 'set', 'lo', 'up')
  run('nft', 'add', 'table', 'inet', 'faults')
  run('nft', 'add', 'chain', 'inet', 'faults', 'input', '{ type filter hook input priority 0; }')
}

/** Reset the connections of these ports. @returns how many sockets the kernel has closed, both ends counted */
export function cut(ports: readonly number[]): number {
  const which = ports.flatMap(port => [`dport = :${port}`, `sport = :${port}`]).join(' or ')
  return lines(run('ss', '-H', '-K', '-t', 'state', 'established', `( ${which} )`))
}

/** How many connections to the port stand. */
export function connections(port: number): number {
  return lines(run('ss', '-H', '-t', 'state', 'established', `( sport = :${port} )`))
}

/** Nothing reaches these ports or comes from them, until `mend`. */
export function part(ports: readonly number[]): void {
  const set = `{ ${ports.join(', ')} }`
  for (const side of ['dport', 'sport'])
    run('nft', 'add', 'rule', 'inet', 'faults', 'input', 'tcp', side, set, 'drop')
}

/** One packet in fifty is lost, at random. */
export function lose(ports: readonly number[]): void {
  const set = `{ ${ports.join(', ')} }`
  const often = ['numgen', 'random', 'mod', '100', '<', '2']
  for (const side of ['dport', 'sport'])
    run('nft', 'add', 'rule', 'inet', 'faults', 'input', 'tcp', side, set, ...often, 'drop')
}

export function mend(): void {
  run('nft', 'flush', 'chain', 'inet', 'faults', 'input')
}

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** how many ports one process of the suite has to itself */
const BLOCK = 100
const LOWEST = 12_000

/**
 * Ports for servers that are stopped and started again: while such a server is down its port must stay free. The
 * kernel gives the ports of its ephemeral range to whoever connects, so these come from below it, and from a block that
 * belongs to this process. Each was free when it was taken, and is given once.
 */
export async function takePorts(count: number): Promise<number[]> {
  const taken: number[] = []
  for (let tried = 0; taken.length < count; tried++) {
    if (tried === BLOCK) throw new Error(`no ${count} free ports from ${first} on`)
    const port = first + (next++ % BLOCK)
    if (!given.has(port) && (await isFree(port))) taken.push(port)
  }
  for (const port of taken) given.add(port)
  return taken
}

const blocks = Math.max(1, Math.floor((lowestEphemeral() - LOWEST) / BLOCK))
const first = LOWEST + (process.pid % blocks) * BLOCK
const given = new Set<number>()
let next = 0

function lowestEphemeral(): number {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
  return Number.parseInt(range, 10)
}

/** Whether nobody listens there, on either family. */
async function isFree(port: number): Promise<boolean> {
  const answers = await Promise.all(['127.0.0.1', '::1'].map(host => canListen(port, host)))
  return answers.every(answer => answer)
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    // No such address family on this machine: nobody else has the port there.
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

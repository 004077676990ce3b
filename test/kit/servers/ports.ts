import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

/** how many ports are claimed at a time */
const BLOCK = 100
const LOWEST = 12_000

/**
 * Ports for servers that are stopped and started again: while such a server is down its port must stay free. The
 * kernel gives the ports of its ephemeral range to whoever connects, so these come from below it, and from blocks that
 * belong to this process. Each was free when it was taken, and is given once.
 */
export async function takePorts(count: number): Promise<number[]> {
  const taken: number[] = []
  while (taken.length < count) {
    if (left.length === 0) left.push(...(await claimBlock()))
    const port = left.shift()
    if (port !== undefined && (await isFree(port))) taken.push(port)
  }
  return taken
}

/** of our blocks, not given yet */
const left: number[] = []
/** where we look next: other processes begin elsewhere */
let nextBlock = process.pid

/** A block belongs to who listens on its first port, as long as that process lives. */
async function claimBlock(): Promise<number[]> {
  const blocks = Math.floor((lowestEphemeral() - LOWEST) / BLOCK)
  for (let tried = 0; tried < blocks; tried++) {
    const first = LOWEST + (nextBlock++ % blocks) * BLOCK
    const claim = createServer()
    if (await listens(claim, first, '127.0.0.1')) {
      claim.unref()
      return Array.from({ length: BLOCK - 1 }, (_, index) => first + 1 + index)
    }
  }
  throw new Error(`no block of ${BLOCK} ports from ${LOWEST} on is free`)
}

function lowestEphemeral(): number {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
  return Number.parseInt(range, 10)
}

/** Whether nobody listens there, on either family. */
async function isFree(port: number): Promise<boolean> {
  const answers = await Promise.all(['127.0.0.1', '::1'].map(host => canListen(port, host)))
  return answers.every(answer => answer)
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer()
  const can = await listens(server, port, host)
  if (server.listening) await new Promise(resolve => server.close(resolve))
  return can
}

/** False: somebody else does. */
function listens(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    // No such address family on this machine: nobody else has the port there.
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'))
    server.listen(port, host, () => resolve(true))
  })
}

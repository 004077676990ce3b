import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { takePorts } from '../../kit/servers/ports.ts'
import type { Identity } from '../certificates.ts'
import { temporaryFolder } from './folder.ts'
import { FAR, NEAR } from './pieces.ts'

const main = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url))

export interface Gateway {
  readonly pid: number
  /** where it takes WebSockets, and its server's streams */
  readonly ports: { readonly wss: number; readonly s2s: number }
  end(): Promise<void>
}

/**
 * `isthmus serve` beside a server, as it is shipped.
 * @param to where the server takes s2s, and where the other domain takes WebSockets
 */
export async function startGateway(
  { certificate, key, ca }: Identity,
  to: { readonly s2s: number; readonly wss: number; readonly managed: boolean },
  signal: AbortSignal,
): Promise<Gateway> {
  const folder = temporaryFolder()
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 })
  const [wss = 0, s2s = 0] = await takePorts(2)
  write('near.pem', certificate)
  write('near.key', key)
  write('ca.pem', ca)
  write('isthmus.toml', configuration({ wss, s2s }, to))
  const command = [process.execPath, main, 'serve', '--config', 'isthmus.toml']
  // It ends when we do, however that happens.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    killSignal: 'SIGKILL',
  })
  child.on('error', () => {})
  const ended = once(child, 'exit')
  await Promise.race([ready(child), ended.then(() => Promise.reject(new Error('the gateway has ended')))])
  return {
    pid: child.pid ?? 0,
    ports: { wss, s2s },
    async end() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Resolves once both listeners are bound; what is wrong is shown. */
function ready({ stdout }: ChildProcess): Promise<void> {
  let left = 2
  return new Promise(resolve => {
    if (stdout === null) return
    createInterface({ input: stdout }).on('line', line => {
      const { event, level } = JSON.parse(line)
      if (event === 'listening') left -= 1
      if (left === 0) resolve()
      if (left > 0 && level !== 'info') process.stderr.write(`${line}\n`)
    })
  })
}

/** One pair brings all traffic, as fast as it can: what slows a single stream is lifted. */
function configuration(
  own: { readonly wss: number; readonly s2s: number },
  to: { readonly s2s: number; readonly wss: number; readonly managed: boolean },
): string {
  return `
stream_management = ${to.managed}

[[listen]]
address = "127.0.0.1:${own.wss}"

[trust]
ca = ["ca.pem"]

[network]
allow_private = ["127.0.0.0/8"]
connect = { "${FAR}:443" = "127.0.0.1:${to.wss}" }

[[endpoint]]
domain = "${FAR}"
url = "wss://${FAR}/s2s"

[[domain]]
name = "${NEAR}"
url = "wss://${NEAR}:${own.wss}/s2s"
ips = ["127.0.0.1"]
certificate = "near.pem"
key = "near.key"
host = "server"

[domain.server]
address = "127.0.0.1:${to.s2s}"
listen = ["127.0.0.1:${own.s2s}"]
security = "plaintext"

[limits]
inbound_bytes_per_second = "1GiB"
inbound_burst_bytes = "1GiB"

[admin]
socket = "off"
`
}

import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TestCertificate } from './authority.ts'
import type { Stage } from './servers/stage.ts'

export interface PlatformOptions {
  readonly port: number
  /** path of a unix socket */
  readonly to: string
  readonly certificate: TestCertificate
  /** how long a WebSocket of this path may be silent; default: for ever */
  readonly idleMs?: (path: string) => number
}

/**
 * The proxy of a platform, as small as one can be: TLS ends here, and what comes goes on as HTTP/1.1, with the X-Forwarded
 * headers that we know to be true and none that a stranger sent. Ends with the stage.
 */
export async function startPlatform(
  stage: Stage,
  { port, to, certificate, idleMs = () => 0 }: PlatformOptions,
): Promise<void> {
  const open = new Set<Duplex>()
  const server = createServer({ cert: certificate.certificatePem, key: certificate.keyPem })
  server.on('secureConnection', socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', () => {})
  })
  const pass = (incoming: IncomingMessage): ClientRequest => {
    const headers = {
      ...incoming.headers,
      'x-forwarded-for': incoming.socket.remoteAddress,
      'x-forwarded-proto': 'https',
    }
    return request({ socketPath: to, method: incoming.method, path: incoming.url, headers, agent: false })
  }
  server.on('request', (incoming, outgoing) => {
    const passed = pass(incoming)
    passed.on('response', answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.writeHead(502).end())
    incoming.pipe(passed)
  })
  server.on('upgrade', (incoming: IncomingMessage, near: Duplex) => {
    const passed = pass(incoming)
    passed.on('upgrade', (answer, far, head) => {
      near.write(`${headOf(answer)}\r\n`)
      near.write(head)
      near.on('error', () => far.destroy())
      far.on('error', () => near.destroy())
      far.setTimeout(idleMs(incoming.url ?? ''), () => far.destroy())
      near.pipe(far).pipe(near)
      far.once('close', () => near.destroy())
    })
    passed.on('response', answer => {
      near.write(`${headOf(answer)}\r\n`)
      answer.pipe(near)
    })
    passed.on('error', () => near.destroy())
    passed.end()
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  stage.closes(async () => {
    const closed = new Promise(resolve => server.close(resolve))
    for (const socket of open) socket.destroy()
    await closed
  })
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`)
  }
  return `${lines.join('\r\n')}\r\n`
}

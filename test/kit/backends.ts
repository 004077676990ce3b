import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { testFront } from './fronts.ts'

// A server behind proxied paths, and a client in front of them: both node:http, because what is between is ours.

export interface Backend {
  readonly port: number
  readonly url: string
  /** the requests that came, upgrades included */
  readonly requests: IncomingMessage[]
  /** connections that are open */
  connected(): number
  close(): Promise<void>
}

/** @param answer default: what came, as JSON, when all of it has come */
export async function backend(
  answer: (request: IncomingMessage, response: ServerResponse) => void = echo,
  { webSocket = true, host = '127.0.0.1' } = {},
): Promise<Backend> {
  const requests: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ requestTimeout: 0 })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.on('checkContinue', (request, response) => {
    requests.push(request)
    answer(request, response)
  })
  if (webSocket) {
    const wss = new WebSocketServer({ noServer: true, handleProtocols: () => 'xmpp' })
    server.on('upgrade', (request, socket, head) => {
      requests.push(request)
      wss.handleUpgrade(request, socket, head, ws => {
        ws.on('error', () => {})
        ws.on('message', (data, binary) => ws.send(data, { binary }))
      })
    })
  }
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    requests,
    connected: () => sockets.size,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

export interface Echoed {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString('latin1') }))
  })
}

/** A front that passes `path` on to the url. */
export function proxyFront(
  proxies: Readonly<Record<string, string>>,
  options: Parameters<typeof testFront>[0] = {},
): ReturnType<typeof testFront> {
  return testFront({ proxies: Object.entries(proxies).map(([path, to]) => ({ path, to })), ...options })
}

export interface Got {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One request through a front, and all of its answer. Rejects where the connection is cut. */
export function ask(
  port: number,
  path: string,
  { body, ...options }: RequestOptions & { readonly body?: string } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      path,
      servername: 'montague.example',
      rejectUnauthorized: false,
      agent: false,
      ...options,
      headers: { Host: 'montague.example', ...options.headers },
    })
    request.once('error', reject)
    request.once('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, body: Buffer.concat(chunks).toString('latin1') })
      })
    })
    request.end(body)
  })
}

export async function askEcho(...args: Parameters<typeof ask>): Promise<Echoed> {
  const { status, body } = await ask(...args)
  if (status !== 200) throw new Error(`${status}: ${body}`)
  return JSON.parse(body) as Echoed
}

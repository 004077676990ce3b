import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Limits } from '../base/index.ts'
import {
  type AdminAnswer,
  type AdminRequest,
  adminRequest,
  type WalkReport,
  type WalkStage,
} from './admin-protocol.ts'
import { type AdminUser, prepareFolder } from './admin-socket.ts'

/** What the admin socket can do: look, nothing else (DECISIONS 30). */
export interface AdminHandlers {
  status(): Readonly<Record<string, unknown>>
  check(
    walk: { remote: string; local: string },
    options: { signal: AbortSignal; onStage: (stage: WalkStage) => void },
  ): Promise<WalkReport>
}

export interface AdminSocket {
  readonly path: string
  close(): void
}

export interface AdminOptions {
  readonly paths: readonly string[]
  readonly user: AdminUser
  readonly limits: Limits
  readonly handlers: AdminHandlers
}

/** Listen at the first of `paths` that is safe. Resolves with why not, where none is: the gateway runs without it. */
export async function openAdminSocket(
  options: AdminOptions,
): Promise<AdminSocket | { readonly problem: string }> {
  const problems: string[] = []
  for (const path of options.paths) {
    const problem = prepareFolder(path, options.user) ?? (await clearStale(path))
    if (problem !== null) {
      problems.push(problem)
      continue
    }
    const admin = new Admin(options)
    const failure = await admin.listen(path)
    if (failure === null) return { path, close: () => admin.close() }
    problems.push(`${path}: ${failure}`)
  }
  return { problem: problems.at(-1) ?? 'no place for it' }
}

class Admin {
  readonly #options: AdminOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #walking = false

  constructor(options: AdminOptions) {
    this.#options = options
    this.#server = createServer(socket => this.#serve(socket))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  listen(path: string): Promise<string | null> {
    return new Promise(resolve => {
      this.#server.once('error', failure => resolve(failure.message))
      this.#server.listen(path, () => {
        chmodSync(path, 0o600)
        // Accepting may fail for a moment (no descriptors left): the next connection finds it well again.
        this.#server.on('error', () => {})
        this.#server.unref()
        resolve(null)
      })
    })
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    const { limits } = this.#options
    this.#sockets.add(socket)
    const gone = new AbortController()
    socket.on('close', () => {
      this.#sockets.delete(socket)
      gone.abort()
    })
    // 'close' follows; there is nobody left to tell.
    socket.on('error', () => {})
    socket.setTimeout(limits.adminRequestMs, () => socket.destroy())
    let received = ''
    const onData = (chunk: Buffer) => {
      received += chunk.toString('latin1')
      if (received.length > limits.adminRequestBytes) return socket.destroy()
      const end = received.indexOf('\n')
      if (end === -1) return
      socket.off('data', onData)
      socket.resume()
      socket.setTimeout(0)
      void this.#answer(
        Buffer.from(received.slice(0, end), 'latin1').toString('utf8'),
        gone.signal,
        answer => {
          if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`)
        },
      ).finally(() => socket.end())
    }
    socket.on('data', onData)
  }

  async #answer(line: string, signal: AbortSignal, say: (answer: AdminAnswer) => void): Promise<void> {
    const request = parseRequest(line)
    if (request === null) return say(failed('bad-request', 'not a request'))
    if (request.command === 'status') return say({ status: { ...this.#options.handlers.status() } })
    if (this.#walking) return say(failed('busy', 'another check is under way'))
    this.#walking = true
    try {
      const onStage = (stage: WalkStage) => say({ stage })
      say({ report: await this.#options.handlers.check(request, { signal, onStage }) })
    } catch (cause) {
      say(failed('failed', cause instanceof Error ? cause.message : String(cause)))
    } finally {
      this.#walking = false
    }
  }
}

const MAX_CONNECTIONS = 8

function failed(reason: 'busy' | 'bad-request' | 'failed', detail: string): AdminAnswer {
  return { error: { reason, detail } }
}

function parseRequest(line: string): AdminRequest | null {
  try {
    return adminRequest.safeParse(JSON.parse(line)).data ?? null
  } catch {
    // Not JSON.
    return null
  }
}

/** Remove a socket that nobody listens on. @returns what is in the way, or null */
async function clearStale(path: string): Promise<string | null> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return null
  if (!stats.isSocket()) return `${path} is no socket`
  const answered = await new Promise<boolean>(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (answered) return `another gateway listens at ${path}`
  unlinkSync(path)
  return null
}

import { connect, type Socket } from 'node:net'
import {
  type AdminAnswer,
  type AdminRequest,
  adminAnswer,
  type WalkReport,
  type WalkStage,
} from './admin-protocol.ts'
import { type AdminUser, isTrustedSocket } from './admin-socket.ts'

/** How a running gateway answered; null: none is running. */
export type Asked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly detail: string }
  | null

/** Ask the running gateway to walk. */
export function askCheck(
  at: { paths: readonly string[]; user: AdminUser },
  walk: { remote: string; local: string },
  options: { signal: AbortSignal; onStage: (stage: WalkStage) => void },
): Promise<Asked<WalkReport>> {
  return ask(at, { command: 'check', ...walk }, options.signal, answer => {
    if ('stage' in answer) options.onStage(answer.stage)
    return 'report' in answer ? answer.report : undefined
  })
}

/** Ask the running gateway how it is. */
export function askStatus(
  at: { paths: readonly string[]; user: AdminUser },
  signal: AbortSignal,
): Promise<Asked<Readonly<Record<string, unknown>>>> {
  return ask(at, { command: 'status' }, signal, answer => ('status' in answer ? answer.status : undefined))
}

async function ask<T>(
  at: { paths: readonly string[]; user: AdminUser },
  request: AdminRequest,
  signal: AbortSignal,
  read: (answer: AdminAnswer) => T | undefined,
): Promise<Asked<T>> {
  const socket = await reach(at)
  if (socket === null) return null
  const onAbort = () => socket.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  socket.write(`${JSON.stringify(request)}\n`)
  try {
    for await (const line of linesOf(socket)) {
      const answer = parseAnswer(line)
      if (answer === null)
        return { ok: false, detail: 'the gateway answers in a way that this version does not know' }
      if ('error' in answer) return { ok: false, detail: answer.error.detail }
      const value = read(answer)
      if (value !== undefined) return { ok: true, value }
    }
    return { ok: false, detail: signal.aborted ? 'given up' : 'the gateway ended without an answer' }
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

async function reach(at: { paths: readonly string[]; user: AdminUser }): Promise<Socket | null> {
  for (const path of at.paths) {
    if (!isTrustedSocket(path, at.user)) continue
    const socket = await new Promise<Socket | null>(resolve => {
      const candidate = connect(path)
      candidate.once('connect', () => resolve(candidate))
      candidate.once('error', () => resolve(null))
    })
    if (socket === null) continue
    // An end in the middle shows as missing lines.
    socket.on('error', () => {})
    return socket
  }
  return null
}

/** The lines that came before the connection ended, however it ended. */
async function* linesOf(socket: Socket): AsyncGenerator<string> {
  socket.setEncoding('utf8')
  let rest = ''
  try {
    for await (const chunk of socket) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } catch {
    // Cut off in the middle: the answer that is missing says so.
  }
}

function parseAnswer(line: string): AdminAnswer | null {
  try {
    return adminAnswer.safeParse(JSON.parse(line)).data ?? null
  } catch {
    // Not JSON.
    return null
  }
}

import type { Event } from '../base/index.ts'
import { printable } from './printable.ts'

/** A line of the log before it is written. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  /** text in it is printable already */
  readonly fields: Readonly<Record<string, string | number | boolean | readonly string[]>>
  /** whose lines are counted together: the peer's address, or 'outgoing' for what we attempt; null: never held back */
  readonly source: string | null
}

/** The line for an event: one per established stream that names the proof, one per refusal that names the rule. */
export function logLine(event: Event): LogLine {
  const { type, ...facts } = event
  return { ...kindOf(event), fields: { event: type, ...fieldsOf(facts) } }
}

function kindOf(event: Event): Pick<LogLine, 'level' | 'message' | 'source'> {
  switch (event.type) {
    case 'listening':
      return { level: 'info', message: 'listening', source: null }
    case 'connection:refused':
      return { level: 'warn', message: 'connection refused', source: event.address }
    case 'proxy:failed':
      return { level: 'warn', message: 'proxied request failed', source: OUTGOING }
    case 'discovery:started':
    case 'discovery:found':
      return { level: 'debug', message: 'discovery', source: OUTGOING }
    case 'discovery:failed':
      return { level: 'warn', message: 'discovery failed', source: OUTGOING }
    case 'candidate:trying':
      return { level: 'debug', message: 'trying', source: OUTGOING }
    case 'candidate:connected':
      return { level: 'debug', message: 'connected', source: OUTGOING }
    case 'candidate:failed':
      return { level: 'warn', message: 'candidate failed', source: OUTGOING }
    case 'identity':
      // A refusal by it is told once, by the end of its stream or candidate.
      return { level: 'debug', message: event.ok ? 'identity proven' : 'identity refused', source: OUTGOING }
    case 'stream:open':
    case 'stream:features':
    case 'stream:authenticating':
      return { level: 'debug', message: event.type.replace(':', ' '), source: event.address }
    case 'stream:established':
      return { level: 'info', message: 'stream established', source: event.address }
    case 'stream:ended':
      if (event.established) return { level: 'info', message: 'stream ended', source: event.address }
      // What we attempted is told once, by its candidate.
      return {
        level: event.role === 'initiating' ? 'debug' : 'warn',
        message: 'stream refused',
        source: event.address,
      }
    case 'forwarded:ignored':
      return { level: 'warn', message: 'forwarded field ignored', source: event.address }
    case 'dialback:asked':
      // A wrong key is told by the end of the stream on which it was shown; that nobody could be asked is told nowhere else.
      return {
        level: event.outcome === 'error' ? 'warn' : 'debug',
        message: 'asked about a dialback key',
        source: OUTGOING,
      }
    case 'leg:silent':
      return {
        level: 'info',
        message: 'the server answers no pings: what is written to it counts as read',
        source: OUTGOING,
      }
    case 'stream:resumed':
      return { level: 'info', message: 'stream resumed', source: OUTGOING }
    case 'stanza:resent':
      return { level: 'info', message: 'stanzas sent again: they may arrive twice', source: OUTGOING }
    case 'stanza:bounced':
      return { level: 'info', message: 'stanzas bounced', source: OUTGOING }
    case 'host:failed':
      return { level: 'error', message: 'host failed', source: OUTGOING }
    case 'certificate:loaded':
      return { level: 'info', message: 'certificate loaded', source: null }
    case 'certificate:problem':
      return { level: 'warn', message: 'certificate problem', source: null }
    case 'steering:listening':
      return { level: 'info', message: 'steering listens', source: null }
    case 'steering:decided':
      return { level: 'debug', message: 'steering decided', source: OUTGOING }
    case 'steering:forward-failed':
      return { level: 'warn', message: 'DNS upstream failed', source: OUTGOING }
    case 'steering:refused':
      return { level: 'warn', message: 'DNS questions refused', source: OUTGOING }
    case 'reconfigured':
      return { level: 'info', message: 'configuration in force', source: null }
    case 'reload:failed':
      return { level: 'error', message: 'configuration not reloaded: the former one stays', source: null }
    case 'stopping':
      return { level: 'info', message: 'stopping', source: null }
    case 'stopped':
      return { level: 'info', message: 'stopped', source: null }
    default:
      // An event that is newer than this file is still logged.
      return { level: 'debug', message: 'event', source: OUTGOING }
  }
}

const OUTGOING = 'outgoing'

function fieldsOf(facts: object): Record<string, string | number | boolean | readonly string[]> {
  const fields: Record<string, string | number | boolean | readonly string[]> = {}
  for (const [name, value] of Object.entries(facts)) {
    if (typeof value === 'string') {
      if (value !== '') fields[name] = printable(value)
    } else if (typeof value === 'number')
      fields[name] = name.endsWith('Ms') || name === 'ms' ? Math.round(value) : value
    else if (typeof value === 'boolean') fields[name] = value
    else if (Array.isArray(value))
      fields[name] = value.slice(0, LIST_ITEMS).map(item => printable(String(item)))
  }
  return fields
}

const LIST_ITEMS = 16

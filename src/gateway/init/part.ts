import { type HostPort, parseAddress } from '../config/address.ts'
import type { InitPlan } from './plan.ts'

/** Lines for one place of the server's configuration. */
export interface ServerPart {
  /** its usual path, or what it is */
  readonly file: string
  /** where in the file */
  readonly place: string
  /** the text is the whole file */
  readonly whole: boolean
  /** as it is written there; ends with a line end */
  readonly text: string
  /** what the person does about it; '' where the text is all */
  readonly note: string
}

/** An address of a plan whose configuration has been found right. */
export function address(text: string): HostPort {
  const parsed = parseAddress(text)
  if (parsed === null) throw new TypeError(`not an address: ${text}`)
  return parsed
}

/** The server's HTTP port. */
export function httpAddress(origin: string): HostPort {
  const { hostname, port } = new URL(origin)
  const host = hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(port || 80) }
}

/** The listener that the server is brought to. */
export function gatewayAddress({ serverListen }: InitPlan): HostPort {
  return address(serverListen[0] ?? '')
}

/** Text in double quotes, for YAML. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/**
 * The same for our own file, in which `${` begins the name of a variable: what is one as a whole is meant as such, and
 * elsewhere it is text.
 */
export function toml(text: string): string {
  return quoted(/^\$\{\w+\}$/.test(text) ? text : text.replaceAll('${', () => '$${'))
}

export function list(values: readonly string[]): string {
  return `[${values.map(toml).join(', ')}]`
}

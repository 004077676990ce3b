import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, Limits, Observer } from '../base/index.ts'
import type { Place } from './admission.ts'
import { Exchange, type ProxyTask } from './exchange.ts'
import { ProxiedPlaces } from './proxied-places.ts'
import { hasBody, judgeFraming } from './proxy-headers.ts'
import { isPlainPath, type ProxyPath, ProxyPaths, type ProxyRoute } from './proxy-paths.ts'
import { type Answer, refuse } from './request.ts'
import { sourceOf, unmapped } from './source.ts'
import { Tunnel } from './tunnel.ts'

export interface ProxiedOptions {
  readonly proxies: readonly ProxyPath[]
  readonly stopping: () => boolean
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
}

/** How a listener hears of a proxied request that went wrong. */
export interface ProxiedCallbacks {
  readonly respond: (answer: Answer) => void
  readonly onOver: () => void
}

/** What all listeners pass on to the servers behind, and how much of it at once. */
export class Proxied {
  readonly #options: ProxiedOptions
  #paths: ProxyPaths
  readonly #places: ProxiedPlaces
  #idle: (() => void)[] = []

  constructor(options: ProxiedOptions) {
    this.#options = options
    this.#paths = new ProxyPaths(options.proxies)
    this.#places = new ProxiedPlaces(options.limits)
  }

  /** What is under way goes on. */
  serve(paths: ProxyPaths): void {
    this.#paths = paths
  }

  find(request: IncomingMessage): ProxyRoute | null {
    return this.#paths.find(request.url ?? '')
  }

  /** Whether the request may go on. null: it may. */
  judge(request: IncomingMessage): Answer | null {
    if (!isPlainPath(request.url ?? '')) return refuse(400, 'the path must be plain')
    return judgeFraming(request)
  }

  /** The same for an upgrade. Versions, keys and subprotocols are between the client and the server behind. */
  judgeUpgrade(request: IncomingMessage): Answer | null {
    const answer = this.judge(request)
    if (answer !== null) return answer
    if (request.method !== 'GET') return refuse(405, 'an upgrade is a GET', { Allow: 'GET' })
    if (request.httpVersion !== '1.1') return refuse(400, 'an upgrade needs HTTP/1.1')
    if (request.headers.upgrade?.trim().toLowerCase() !== 'websocket')
      return refuse(400, 'no upgrade but to websocket')
    if (hasBody(request)) return refuse(400, 'an upgrade has no body')
    return null
  }

  /** @param address of the client. @returns null where there was no room, and it has been answered */
  exchange(
    route: ProxyRoute,
    request: IncomingMessage,
    response: ServerResponse,
    address: string,
    place: Place | null,
    { respond, onOver }: ProxiedCallbacks,
  ): Exchange | null {
    const leave = this.#enter(address, place)
    if (typeof leave !== 'function') {
      respond(leave)
      return null
    }
    const exchange = new Exchange({
      ...this.#task(route, request, address, () => {
        leave()
        onOver()
      }),
      response,
      onRefused: respond,
    })
    exchange.start()
    return exchange
  }

  tunnel(
    route: ProxyRoute,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    address: string,
    place: Place | null,
    dismiss: (answer: Answer) => void,
  ): void {
    const leave = this.#enter(address, place)
    if (typeof leave !== 'function') dismiss(leave)
    else if (!(socket instanceof Socket)) {
      // Never: a server's sockets are such.
      leave()
      socket.destroy()
    } else new Tunnel({ ...this.#task(route, request, address, leave), socket, head, dismiss }).start()
  }

  /** Resolves when no request is being passed on any longer, or after `graceMs`. Upgraded ones do not count. */
  async finished(exchanges: () => number, graceMs: number): Promise<void> {
    if (exchanges() === 0 || graceMs <= 0) return
    await new Promise<void>(resolve => {
      const timer = this.#options.clock.setTimer(graceMs, resolve)
      this.#idle.push(() => {
        if (exchanges() > 0) return
        timer.cancel()
        resolve()
      })
    })
  }

  #task(route: ProxyRoute, request: IncomingMessage, client: string, onOver: () => void): ProxyTask {
    const { observer, limits, clock } = this.#options
    const address = unmapped(client)
    const { path, to } = route
    return {
      route,
      request,
      address,
      limits,
      clock,
      onFailed: (status, detail) =>
        observer.publish({ type: 'proxy:failed', address, path, to, status, detail }),
      onOver: () => {
        onOver()
        for (const look of this.#idle) look()
      },
    }
  }

  /** @returns how to leave, or why there is no room */
  #enter(address: string, place: Place | null): Answer | (() => void) {
    const { limits, stopping } = this.#options
    const later = { 'Retry-After': String(Math.ceil(limits.httpRetryAfterMs / 1_000)) }
    if (stopping()) return refuse(503, 'stopping', later)
    const taken = this.#places.take(sourceOf(address))
    if (taken === 'address') return refuse(429, 'too many requests at once from this address', later)
    if (taken === 'total') return refuse(503, 'too many requests at once', later)
    const back = place?.lend()
    return () => {
      taken()
      back?.()
    }
  }
}

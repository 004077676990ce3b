import type { Event } from '../base/index.ts'
import { type ChaosProgress, type Conversation, type Demo, type Line, printable } from '../gateway/index.ts'
import type { DemoStream } from './demo-streams.ts'
import type { Io, Output } from './io.ts'
import { type Style, styleFor } from './style.ts'

/** The demo for a person: each step as it happens, then what is said. */
export class DemoScreen {
  readonly #out: Output
  readonly #style: Style
  /** what the last line belonged to: a blank line stands between groups */
  #group = ''
  /** who dials whom in the steps that stand last */
  #heading = ''
  /** the stream under way has authenticated: what opens next is the same stream again (RFC 6120 §4.3.3) */
  #authenticated = false
  #ended = false
  /** connections are being cut: of the streams that follow only what became of the conversation is news */
  #isCut = false

  constructor(io: Io) {
    this.#out = io.out
    this.#style = styleFor(io)
  }

  start(towns: Demo['towns'], options: { readonly clientCertificates: boolean }): void {
    this.#print(
      'title',
      this.#style('bold', 'Isthmus: two domains federate over WebSocket, knowing each other only by name'),
    )
    for (const { domain, port } of towns) {
      this.#print('title', `  ${domain.padEnd(18)} ${this.#style('dim', `https://127.0.0.1:${port}`)}`)
    }
    if (!options.clientCertificates) this.#print('title', `  ${BEHIND_A_PROXY}`)
  }

  /** @param domain whose gateway tells it */
  event(domain: string, event: Event): void {
    if (this.#ended) return
    if (this.#isCut) {
      if (event.type === 'stream:resumed')
        this.#print(
          'cuts',
          `  ${this.#style('green', '✓')} ${event.local} → ${event.remote}: resumed, ${again(event.count)}`,
        )
      return
    }
    if (event.type === 'candidate:trying') this.#authenticated = false
    const step = stepOf(event, this.#authenticated)
    if (step !== null) {
      this.#head(headingOf(domain, event))
      this.#step(step)
    }
    if (event.type === 'stream:authenticating') this.#authenticated = true
  }

  line({ from, to, text, ms }: Line): void {
    if (text === null) {
      this.#print('talk', `  ${from} pings ${to}: ${this.#style('dim', `answered after ${shown(ms)}`)}`)
      return
    }
    const name = this.#style(from.startsWith('juliet@') ? 'magenta' : 'cyan', from.padEnd(NAME))
    this.#print('talk', `  ${name} ${printable(text)}`)
  }

  cut({ cuts, sent, delivered }: ChaosProgress): void {
    this.#isCut = true
    const mark = this.#style('red', '✂')
    this.#print('cuts', `  ${mark} cut ${cuts}: ${sent} stanzas sent so far, ${delivered} delivered`)
  }

  summary(streams: readonly DemoStream[], { stanzas, problem }: Conversation): void {
    const { sent, delivered, bounced } = stanzas
    const counts = `${sent} stanzas sent, ${delivered} delivered, ${bounced} bounced`
    if (problem !== null) this.#print('end', `${this.#style('red', '✗')} ${printable(problem, TEXT_MAX)}`)
    this.#print('end', `${streams.length} streams, proven both ways. ${counts}.`)
  }

  staying([town]: Demo['towns']): void {
    if (town === undefined) return
    const look = `curl -ks -H 'Host: ${town.domain}' https://127.0.0.1:${town.port}/.well-known/host-meta.json`
    this.#print('end', `Both stay up until Ctrl-C. To look: ${this.#style('dim', look)}`)
  }

  /** The gateways are ending: what their streams say to each other now is no news. */
  end(): void {
    this.#ended = true
  }

  /** Steps of two who dial each other come in turns: each group says whose it is. */
  #head(heading: string): void {
    if (this.#group === STEPS && this.#heading === heading) return
    this.#heading = heading
    this.#print(heading, this.#style('bold', heading))
    this.#group = STEPS
  }

  #step({ ok, name, text, ms }: Step): void {
    const mark = ok ? this.#style('green', '✓') : this.#style('red', '✗')
    const shownText = printable(text, TEXT_MAX)
    const time = ms === undefined ? '' : this.#style('dim', ` ${shown(ms).padStart(TIME)}`)
    const padded = ms === undefined ? shownText : shownText.padEnd(TEXT)
    this.#print(STEPS, `  ${mark} ${name.padEnd(LABEL)} ${padded}${time}`)
  }

  #print(group: string, line: string): void {
    if (this.#group !== '' && this.#group !== group) this.#out.write('\n')
    this.#group = group
    this.#out.write(`${line}\n`)
  }
}

const STEPS = 'steps'
const BEHIND_A_PROXY = 'No certificate of a client reaches them, as behind a proxy that ends TLS.'
const LABEL = 12
const NAME = 23
const TEXT = 52
const TIME = 8
const ID = 12
/** of one line, where something failed */
const TEXT_MAX = 400

interface Step {
  readonly ok: boolean
  readonly name: string
  readonly text: string
  readonly ms?: number
}

/** Who dials whom. */
function headingOf(teller: string, event: Event): string {
  // Whoever is dialled judges, too.
  if (event.type === 'identity' && event.role === 'receiving') return `${event.domain} → ${teller}`
  const other = 'remote' in event ? event.remote : 'domain' in event ? event.domain : ''
  return `${teller} → ${other}`
}

/** What an event means on the way to a stream; null: nothing that a person waits for. */
function stepOf(event: Event, authenticated: boolean): Step | null {
  switch (event.type) {
    case 'discovery:found':
      return step('discovery', `${event.source}: ${event.candidates[0] ?? ''}`, event.ms)
    case 'identity':
      return identityStep(event)
    case 'candidate:connected':
      return step('WebSocket', `${event.tls} to ${event.address}`, event.ms)
    case 'discovery:failed':
      return failure('discovery', event.detail)
    case 'candidate:failed':
      return failure('connection', `${event.url}: ${event.detail}`)
    case 'stream:open':
      return event.role === 'initiating' ? openStep(event.id, authenticated) : null
    case 'stream:features':
      return event.role === 'initiating' && !authenticated
        ? step('features', event.features.join(', '))
        : null
    case 'stream:authenticating':
      return event.role === 'initiating' ? step(event.mechanism, evidenceOf(event.mechanism)) : null
    case 'dialback:asked':
      return event.outcome === 'valid'
        ? step('call-back', `its server knows the key of ${event.remote}`, event.ms)
        : failure('call-back', `${event.remote}: ${event.detail}`)
    case 'stream:established':
      return event.role === 'initiating'
        ? step('established', `${event.authentication}, ${event.tls}`, event.setupMs)
        : null
    case 'stream:ended':
      return event.role === 'initiating' && event.established ? ended(event.detail) : null
    default:
      return null
  }
}

function evidenceOf(mechanism: string): string {
  return mechanism === 'DIALBACK'
    ? 'a key, which it asks our own server about'
    : 'the certificate is the password'
}

function identityStep(event: Extract<Event, { type: 'identity' }>): Step {
  const { ok, role, domain } = event
  if (!ok) return failure('identity', `not ${domain}: ${event.detail ?? event.reason}`)
  return step(
    'identity',
    `${role === 'initiating' ? 'it proves' : 'we prove'} ${domain} by certificate (${event.via})`,
  )
}

function openStep(id: string, authenticated: boolean): Step {
  const short = id.length > ID ? `${id.slice(0, ID)}…` : id
  return authenticated
    ? step('restart', `as the proven domain: stream ${short}`)
    : step('open', `stream ${short}`)
}

function step(name: string, text: string, ms?: number): Step {
  return { ok: true, name, text, ...(ms === undefined ? {} : { ms }) }
}

function failure(name: string, text: string): Step {
  return { ok: false, name, text }
}

function ended(detail: string): Step {
  return step('ended', detail === '' ? 'in order' : detail)
}

function again(count: number): string {
  return count === 0 ? 'nothing was under way' : `${count} on their way again`
}

function shown(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

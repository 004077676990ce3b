import { defaultLimits, type Limits } from '../../src/base/index.ts'
import { type Codec, type Decoded, tcpCodec, webSocketCodec } from '../../src/framing/index.ts'
import type { IdentityVerdict } from '../../src/identity/index.ts'
import {
  type DialbackOutcome,
  dialbackKey,
  dialbackSecret,
  type InitiatingOptions,
  type InitiatingState,
  type ProvenVerdict,
  type ReceivingOptions,
  type ReceivingState,
  type Step,
  type StreamInput,
  type StreamOutput,
  type StreamTimer,
  startInitiating,
  startReceiving,
  startVerifying,
  stepInitiating,
  stepReceiving,
  stepVerifying,
  type Verification,
  type VerifyingOptions,
  type VerifyingState,
} from '../../src/stream/index.ts'
import { type Element, xmlLimits } from '../../src/xml/index.ts'
import { type Domain, type Failure, NS, parseDomain, type Stanza } from '../../src/xmpp/index.ts'

// One machine, its codec, and a peer that the test plays; or two machines over both ends of a wire. No I/O, no time.

export function domain(name: string): Domain {
  const parsed = parseDomain(name)
  if (parsed === null) throw new TypeError(`no domain: ${name}`)
  return parsed
}

export const CAPULET = domain('capulet.example')
export const MONTAGUE = domain('montague.example')

export interface Wire {
  readonly name: 'websocket' | 'tcp'
  codec(limits: Limits, stage: 'before-authentication' | 'authenticated'): Codec
  /** a peer's header */
  open(attributes: Readonly<Record<string, string>>): string
  readonly close: string
}

const spell = (attributes: Readonly<Record<string, string>>) =>
  Object.entries(attributes)
    .map(([name, value]) => ` ${name}='${value}'`)
    .join('')

export const WEBSOCKET: Wire = {
  name: 'websocket',
  codec: (limits, stage) => webSocketCodec(xmlLimits(limits, stage)),
  open: attributes => `<open xmlns='${NS.framing}'${spell(attributes)}/>`,
  close: `<close xmlns='${NS.framing}'/>`,
}

export const TCP: Wire = {
  name: 'tcp',
  codec: (limits, stage) => tcpCodec(xmlLimits(limits, stage)),
  open: attributes =>
    `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='${NS.stream}'${spell(attributes)}>`,
  close: '</stream:stream>',
}

export const WIRES: readonly Wire[] = [WEBSOCKET, TCP]

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A machine with its codec. Whatever a test does with it, the rules about its outputs are checked (see #carryOut). */
export class Side<S> {
  readonly wire: Wire
  /** what was written, as text, message by message */
  readonly sent: string[] = []
  /** the same, as a peer on this wire reads it */
  readonly frames: Decoded[] = []
  readonly outputs: StreamOutput[] = []
  readonly stanzas: Stanza[] = []
  /** armed at present */
  readonly timers = new Map<StreamTimer, number>()
  /** called for need-identity; null: the test answers */
  verdict: ((claimed: Domain) => IdentityVerdict) | null = claimed => proven(claimed)
  /** the keys that the machine has asked about */
  readonly asked: Verification[] = []
  /** TLS was started, and stands */
  secured = false
  /** domains that have proven themselves here */
  readonly authorised: Domain[] = []
  /** what a verifying stream has found out */
  verified: DialbackOutcome | null = null
  ended: Failure | null | undefined
  closeCode: number | undefined
  established: Extract<StreamOutput, { type: 'established' }> | null = null
  /** what came of stream management */
  readonly managed: Extract<StreamOutput, { type: 'managed' }>['management'][] = []
  /** what the peer has acknowledged */
  readonly acks: number[] = []
  /** what it wants to resume; the test answers */
  readonly resumptions: Extract<StreamOutput, { type: 'need-resumption' }>[] = []
  /** how often it has asked what we have handled */
  requests = 0
  /** behind a close */
  lateRequests = 0
  /** asked for after established */
  bidi: Extract<StreamOutput, { type: 'bidi' }> | null = null
  state: S

  readonly #step: (state: S, input: StreamInput) => Step<S>
  readonly #limits: Limits
  readonly #codec: Codec
  readonly #peerCodec: Codec
  #hasClosed = false
  /** start-tls was said, and TLS does not stand yet */
  #betweenTls = false

  constructor(wire: Wire, limits: Limits, start: Step<S>, step: (state: S, input: StreamInput) => Step<S>) {
    this.wire = wire
    this.#limits = limits
    this.#step = step
    this.#codec = wire.codec(limits, 'before-authentication')
    this.#peerCodec = wire.codec(limits, 'authenticated')
    this.state = start.state
    this.#carryOut(start)
  }

  /** The peer sends these, one message or chunk each. */
  say(...texts: readonly (string | Uint8Array)[]): this {
    for (const text of texts) {
      const bytes = typeof text === 'string' ? encoder.encode(text) : text
      for (const decoded of this.#codec.decode(bytes)) this.give(decoded)
    }
    return this
  }

  give(input: StreamInput): this {
    if (input.type === 'secured' && this.#betweenTls) {
      this.#betweenTls = false
      this.secured = true
    }
    if (input.type === 'timeout') this.timers.delete(input.timer)
    const before = this.outputs.length
    this.#carryOut(this.#step(this.state, input))
    const asked = this.outputs.slice(before).find(({ type }) => type === 'need-identity')
    if (asked?.type === 'need-identity' && this.verdict !== null)
      this.give({ type: 'identity', verdict: this.verdict(asked.claimed) })
    return this
  }

  /** TLS stands */
  secure(peerCertificate = true): this {
    return this.give({ type: 'secured', peerCertificate })
  }

  /** The answer to a key that was asked about; by default to the last. */
  answer(outcome: DialbackOutcome | DialbackOutcome['type'], at = -1): this {
    const asked = this.asked.at(at)
    if (asked === undefined) throw new Error('no key was asked about')
    return this.give({ type: 'verification', ...asked, outcome: outcomeOf(outcome) })
  }

  /** elements written, as trees */
  get elements(): readonly Element[] {
    return this.frames.flatMap(frame => (frame.type === 'element' ? [frame.element.element()] : []))
  }

  /** kinds and names of what was written: 'open', 'close', or an element's name */
  get transcript(): readonly string[] {
    return this.frames.map(frame => (frame.type === 'element' ? frame.element.name : frame.type))
  }

  /** names of the conditions of the stream errors written */
  get errors(): readonly string[] {
    return this.elements.filter(({ name }) => name === 'error').map(error => firstChild(error)?.name ?? '')
  }

  get isEstablished(): boolean {
    return this.established !== null && this.ended === undefined
  }

  /** stream management is on */
  get isManaged(): boolean {
    return this.managed.some(({ type }) => type !== 'failed')
  }

  #carryOut({ state, outputs }: Step<S>): void {
    this.state = state
    for (const output of outputs) {
      if (this.ended !== undefined) throw new Error(`${output.type} after ended`)
      this.outputs.push(output)
      this.#do(output)
    }
  }

  #do(output: StreamOutput): void {
    switch (output.type) {
      case 'write': {
        if (this.#hasClosed) throw new Error(`${output.frame.type} written after close`)
        if (this.#betweenTls) throw new Error(`${output.frame.type} written between plaintext and TLS`)
        this.#hasClosed = output.frame.type === 'close'
        const encoded = this.#codec.encode(output.frame)
        const text = typeof encoded === 'string' ? encoded : decoder.decode(encoded)
        this.sent.push(text)
        this.frames.push(...this.#peerCodec.decode(encoder.encode(text)))
        break
      }
      case 'timer':
        if (output.afterMs === null) this.timers.delete(output.timer)
        else this.timers.set(output.timer, output.afterMs)
        break
      case 'restart':
        this.#codec.restart()
        this.#peerCodec.restart()
        break
      case 'established':
        if (this.established !== null) throw new Error('established twice')
        this.established = output
        this.#authorise(output.pair.remote, output.proof.domain)
        this.#codec.setLimits(xmlLimits(this.#limits, 'authenticated'))
        break
      case 'stanza':
        if (this.established === null) throw new Error('a stanza before established')
        if (!this.authorised.includes(output.stanza.from.domain))
          throw new Error(`a stanza from ${output.stanza.from.domain}, which is not proven`)
        this.stanzas.push(output.stanza)
        break
      case 'close-transport':
        if (this.closeCode !== undefined) throw new Error('the transport closed twice')
        this.closeCode = output.code
        break
      case 'ended':
        this.ended = output.failure
        break
      case 'authorised':
        if (this.established === null) throw new Error('a further pair before the first')
        this.#authorise(output.pair.remote, output.proof.domain)
        break
      case 'bidi':
        if (this.established?.bidi !== false || this.bidi !== null)
          throw new Error('bidi twice, or too early')
        this.bidi = output
        break
      case 'managed':
        if (this.established?.sm !== true || this.isManaged) throw new Error('managed twice, or too early')
        this.managed.push(output.management)
        break
      case 'ack':
        if (!this.isManaged) throw new Error('an ack where nothing is managed')
        this.acks.push(output.h)
        break
      case 'ack-request':
        if (!this.isManaged || this.#hasClosed) throw new Error('asked where nothing can be answered')
        this.requests += 1
        break
      case 'late-ack-request':
        if (!this.isManaged) throw new Error('asked where nothing is managed')
        this.lateRequests += 1
        break
      case 'need-resumption':
        if (this.established?.sm !== true || this.isManaged) throw new Error('resumed twice, or too early')
        this.resumptions.push(output)
        break
      case 'need-verification': {
        const { pair, from, to, id, key } = output
        this.asked.push({ pair, from, to, id, key })
        break
      }
      case 'verified':
        if (this.verified !== null) throw new Error('verified twice')
        this.verified = output.outcome
        break
      case 'start-tls':
        this.#betweenTls = true
        break
      case 'need-identity':
      case 'progress':
        break
    }
  }

  #authorise(remote: Domain, proven: Domain): void {
    if (remote !== proven) throw new Error(`a pair of ${remote} with a proof of ${proven}`)
    this.authorised.push(remote)
  }
}

function outcomeOf(outcome: DialbackOutcome | DialbackOutcome['type']): DialbackOutcome {
  if (typeof outcome !== 'string') return outcome
  if (outcome === 'valid') return { type: 'valid', evidence: 'its own server' }
  return outcome === 'invalid' ? { type: 'invalid' } : { type: 'error', condition: 'remote-server-timeout' }
}

export type Receiving = Side<ReceivingState>
export type Initiating = Side<InitiatingState>
export type Verifying = Side<VerifyingState>

type Overrides<O> = Partial<Omit<O, 'limits'>> & { readonly limits?: Partial<Limits> }

export const ID_1 = 'a4c1f0e2b7d84396b5a0c7e91d2f3a68'
export const ID_2 = 'b93e5d7a10c64f2f8e6d4b1a0c9f7e53'
export const ID_3 = 'c8a1d0e4f7b64b62a5c3e2d19f08a716'

/** Ours is montague.example; capulet.example will come. */
export function receiving(wire: Wire, overrides: Overrides<ReceivingOptions> = {}): Receiving {
  const limits = { ...defaultLimits, ...overrides.limits }
  const options: ReceivingOptions = {
    policy: { secure: true, name: wire.name },
    isLocal: name => name === MONTAGUE || name === ROOMS,
    peerCertificate: true,
    streamIds: [ID_1, ID_2, ID_3],
    ...overrides,
    limits,
  }
  return new Side(wire, limits, startReceiving(options), stepReceiving)
}

/** another domain of ours, beside montague.example */
const ROOMS = domain('rooms.montague.example')

/** Ours is capulet.example; montague.example is dialled. */
export function initiating(wire: Wire, overrides: Overrides<InitiatingOptions> = {}): Initiating {
  const limits = { ...defaultLimits, ...overrides.limits }
  const options: InitiatingOptions = {
    policy: { secure: true, name: wire.name },
    pair: { local: CAPULET, remote: MONTAGUE },
    peer: proven(MONTAGUE),
    ...overrides,
    limits,
  }
  return new Side(wire, limits, startInitiating(options), stepInitiating)
}

/** montague.example asks capulet.example about a key that was shown on the stream ID_1. */
export function verifying(wire: Wire, overrides: Partial<VerifyingOptions> = {}): Verifying {
  const options: VerifyingOptions = {
    pair: { local: MONTAGUE, remote: CAPULET },
    from: 'capulet.example',
    to: 'montague.example',
    id: ID_1,
    key: keyOf(CAPULET, MONTAGUE, ID_1),
    evidence: 'its own server',
    limits: defaultLimits,
    ...overrides,
  }
  return new Side(wire, defaultLimits, startVerifying(options), stepVerifying)
}

// Dialback, with the secrets of the digest's examples.

export const SECRETS = {
  capulet: dialbackSecret('s3cr3tf0rd14lb4ck'),
  montague: dialbackSecret('d14lb4ck43v3r'),
} as const

/** The key of `originating` for `receiving`, on a stream with `id`, made with capulet's secret. */
export function keyOf(originating: string, receiving: string, id: string): string {
  return dialbackKey(SECRETS.capulet, { receiving, originating, id })
}

export function db(
  name: 'result' | 'verify',
  attributes: Readonly<Record<string, string>>,
  content = '',
): string {
  return `<db:${name} xmlns:db='${NS.dialback}' xmlns='jabber:server'${spell(attributes)}>${content}</db:${name}>`
}

/** Who shows or answers with what. */
export const TO_MONTAGUE = { from: 'capulet.example', to: 'montague.example' } as const
export const TO_CAPULET = { from: 'montague.example', to: 'capulet.example' } as const

/** Montague's side of a stream in the clear, to which capulet has shown its key. */
export function shownReceiving(wire: Wire, overrides: Overrides<ReceivingOptions> = {}): Receiving {
  return receiving(wire, { ...inTheClear(wire), dialback: SECRETS.montague, ...overrides }).say(
    wire.open(FROM_CAPULET),
    db('result', TO_MONTAGUE, keyOf(CAPULET, MONTAGUE, ID_1)),
  )
}

/** Capulet's side of a stream in the clear, on which it has shown its key. */
export function shownInitiating(wire: Wire, overrides: Overrides<InitiatingOptions> = {}): Initiating {
  return initiating(wire, {
    ...inTheClear(wire),
    peer: wire.name === 'tcp' ? 'configured-address' : proven(MONTAGUE),
    dialback: SECRETS.capulet,
    ...overrides,
  }).say(wire.open(FROM_MONTAGUE), DIALBACK_OFFERED)
}

/** No certificate and, where the wire can be without it, no TLS. */
export const inTheClear = ({ name }: Wire) =>
  ({ policy: { secure: name === 'websocket', name }, peerCertificate: false }) as const

export function proven(who: Domain): ProvenVerdict {
  return { ok: true, domain: who, via: 'dns-id', name: who, notAfterMs: 4_000_000_000_000 }
}

export function unproven(who: Domain): IdentityVerdict {
  return { ok: false, domain: who, reason: 'name-mismatch', detail: 'it is for verona.example' }
}

// What peers say.

export const FROM_CAPULET = { from: 'capulet.example', to: 'montague.example', version: '1.0' }
export const FROM_MONTAGUE = { from: 'montague.example', to: 'capulet.example', id: ID_1, version: '1.0' }

export const sasl = (name: string, content = '', attributes = '') =>
  `<${name} xmlns='${NS.sasl}'${attributes}>${content}</${name}>`
export const auth = (content = '') => sasl('auth', content, ` mechanism='EXTERNAL'`)
export const SUCCESS = `<success xmlns='${NS.sasl}'/>`
export const features = (content: string) =>
  `<stream:features xmlns:stream='${NS.stream}'>${content}</stream:features>`
export const EXTERNAL_OFFERED = features(
  `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`,
)
export const DIALBACK_OFFERED = features(`<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`)
export const error = (condition: string) =>
  `<stream:error xmlns:stream='${NS.stream}'><${condition} xmlns='${NS.streamErrors}'/></stream:error>`

/** of stream management */
export const sm = (name: string, attributes = '', content = '') =>
  `<${name} xmlns='${NS.sm}'${attributes === '' ? '' : ` ${attributes}`}>${content}</${name}>`
export const SM_OFFERED = `<sm xmlns='${NS.sm}'/>`
export const smFailed = (condition: string, attributes = '') =>
  sm('failed', attributes, `<${condition} xmlns='${NS.stanzaErrors}'/>`)

export const message = (attributes: string, content = '<body>hello</body>') =>
  `<message xmlns='jabber:server' ${attributes}>${content}</message>`
export const GOOD_MESSAGE = message(
  `from='juliet@capulet.example/balcony' to='romeo@montague.example' id='m1' type='chat'`,
)

/** The peer has authenticated, and its stream stands. */
export function establishedReceiving(wire: Wire, overrides: Overrides<ReceivingOptions> = {}): Receiving {
  const open = wire.open(FROM_CAPULET)
  const side = receiving(wire, overrides).say(open, auth('Y2FwdWxldC5leGFtcGxl'), open)
  if (!side.isEstablished) throw new Error(`not established: ${JSON.stringify(side.ended)}`)
  return side
}

export function establishedInitiating(
  wire: Wire,
  overrides: Overrides<InitiatingOptions> = {},
  offered = '',
): Initiating {
  const open = wire.open(FROM_MONTAGUE)
  const side = initiating(wire, overrides).say(open, EXTERNAL_OFFERED, SUCCESS, open, features(offered))
  if (!side.isEstablished) throw new Error(`not established: ${JSON.stringify(side.ended)}`)
  return side
}

/** Carry what both have written to the other, in turn, until nobody has anything to say. */
export class Line {
  readonly #one: Initiating | Verifying
  readonly #other: Receiving
  #carried: [number, number] = [0, 0]

  constructor(one: Initiating | Verifying, other: Receiving) {
    this.#one = one
    this.#other = other
  }

  run(): void {
    for (;;) {
      const [fromOne, fromOther] = this.#carried
      const toOther = this.#one.sent[fromOne]
      const toOne = this.#other.sent[fromOther]
      if (toOther === undefined && toOne === undefined) break
      this.#carried = [fromOne + (toOther === undefined ? 0 : 1), fromOther + (toOne === undefined ? 0 : 1)]
      if (toOther !== undefined) this.#other.say(toOther)
      if (toOne !== undefined) this.#one.say(toOne)
    }
    if (this.#one.closeCode !== undefined) this.#other.give({ type: 'transport-closed', failure: null })
    if (this.#other.closeCode !== undefined) this.#one.give({ type: 'transport-closed', failure: null })
  }
}

export function firstChild(of: Element): Element | undefined {
  return of.children.find(child => typeof child !== 'string')
}

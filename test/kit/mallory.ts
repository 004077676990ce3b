import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import { defaultLimits, type Limits, type LocalFailure, type NetworkFailure } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import { dialWebSocket, type Transport } from '../../src/transport/index.ts'
import { message as stanza } from '../../src/xmpp/index.ts'
import { type TestAuthority, type TestCertificate, testAuthority } from './authority.ts'
import { twoFederations, type Verona } from './federations.ts'
import { backTo, resources } from './fronts.ts'
import { Recorder } from './transport-compliance.ts'

// A peer who says whatever a test tells him to a gateway that runs, while two others go on talking through it.

export const MALLORY = 'mallory.example'
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing-server'
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'

export const open = (attributes = `from='${MALLORY}' to='montague.example'`) =>
  `<open xmlns='${FRAMING}' ${attributes} version='1.0'/>`
export const CLOSE = `<close xmlns='${FRAMING}'/>`
export const auth = (text = '=', mechanism = 'EXTERNAL') =>
  `<auth xmlns='${SASL}' mechanism='${mechanism}'>${text}</auth>`
/** A stanza of Mallory's to somebody who exists. */
export const message = (inside = '<body>hello</body>', attributes = '') =>
  `<message xmlns='jabber:server' from='m@${MALLORY}' to='romeo@montague.example'${attributes}>${inside}</message>`

/** How far a conversation has come when a test takes over. */
export type Depth =
  /** the WebSocket is open */
  | 'upgraded'
  /** both have opened; features were offered */
  | 'opened'
  /** proven by certificate, restarted, features seen */
  | 'authenticated'

export type Ended = NetworkFailure | LocalFailure | null

class Mallory {
  readonly transport: Transport
  readonly recorder: Recorder
  #read = 0

  constructor(transport: Transport, recorder: Recorder) {
    this.transport = transport
    this.recorder = recorder
  }

  say(...texts: readonly (string | Uint8Array)[]): void {
    for (const text of texts) this.transport.send(text)
  }

  /** the next message that he has not looked at yet */
  async hears(): Promise<string> {
    const at = this.#read++
    await this.recorder.until(() => this.recorder.messages.length > at || this.recorder.ends.length > 0)
    const text = this.recorder.texts[at]
    if (text === undefined) throw new Error(`the transport has ended: ${JSON.stringify(this.recorder.ends)}`)
    return text
  }

  /** Everything else that comes, to the end. After the gateway's close he ends the WebSocket. */
  async rest(): Promise<{ readonly messages: readonly string[]; readonly ended: Ended }> {
    const { recorder, transport } = this
    await recorder.until(
      () => recorder.ends.length > 0 || recorder.texts.at(-1)?.startsWith('<close') === true,
    )
    transport.close(1000)
    const ended = await recorder.ended()
    return { messages: this.recorder.texts.slice(this.#read), ended }
  }

  async reach(depth: Depth): Promise<void> {
    if (depth === 'upgraded') return
    this.say(open())
    await this.hears()
    await this.hears()
    if (depth === 'opened') return
    this.say(auth())
    const answer = await this.hears()
    if (!answer.startsWith('<success')) throw new Error(`no success: ${answer}`)
    this.say(open())
    await this.hears()
    await this.hears()
  }
}

/** What a gateway told him in the end: the stream error's condition, or null where it told none. */
export function conditionOf(messages: readonly string[]): string | null {
  const error = messages.find(text => text.startsWith('<stream:error'))
  return error === undefined
    ? null
    : (/<([a-z-]+) xmlns=["']urn:ietf:params:xml:ns:xmpp-streams["']/.exec(error)?.[1] ?? 'unreadable')
}

/** A chain and its key, as a peer shows them. */
export type Shown = Pick<TestCertificate, 'certificatePem' | 'keyPem'>

export interface Scene {
  readonly verona: Verona
  /** of Mallory; a public authority would issue it */
  readonly certificate: TestCertificate
  dial(certificate?: Shown | null): Promise<Mallory>
  /** Capulet's message arrives at Montague now. */
  canary(): Promise<void>
  /** nothing but the canary's messages has reached anybody at Montague's */
  strangers(): readonly string[]
  /** handles and timers are as they were before the first case */
  backToBaseline(): Promise<void>
  close(): Promise<void>
}

/** Mallory, and Capulet who talks to Montague. */
export async function scene(
  options: {
    readonly limits?: Partial<Limits>
    /** PEM, trusted by Montague beside the authority of the two */
    readonly roots?: readonly string[]
    /** of Montague; default: verified-tls */
    readonly dialback?: 'off'
  } = {},
): Promise<Scene> {
  const { roots = [], dialback = 'verified-tls' } = options
  const ours = testAuthority()
  const verona = await twoFederations({
    authority: ours,
    montague: { more: { trust: { ca: [ours.caPem, ...roots] }, dialback } },
    limits: options.limits ?? {},
    // Nobody is there: what Montague owes to Mallory cannot be delivered, and leaves this machine in no case.
    connect: { [`${MALLORY}:443`]: '127.0.0.1:1' },
  })
  const { montague, capulet, authority } = verona
  const certificate = authority.issue({ dns: [MALLORY] })
  let canaries = 0
  const canary = async () => {
    const id = `canary-${++canaries}`
    await capulet.federation.send(
      stanza({ from: 'juliet@capulet.example', to: 'romeo@montague.example', id, body: 'still here' }),
    )
    await montague.host.receives(stanza => stanza.id === id)
  }
  await canary()
  const port = montague.federation.listening[0]?.port ?? 0
  const contexts = new Map<Shown | null, SecureContext>()
  const contextOf = (of: Shown | null) => {
    let context = contexts.get(of)
    if (context === undefined) {
      context = contextFor(authority, of)
      contexts.set(of, context)
    }
    return context
  }
  const baseline = resources()
  return {
    verona,
    certificate,
    async dial(of: Shown | null = certificate) {
      const recorder = new Recorder()
      const dialled = await dialWebSocket({
        url: 'wss://montague.example/s2s',
        address: '127.0.0.1',
        port,
        servername: 'montague.example',
        secureContext: contextOf(of),
        vet: () => null,
        limits: defaultLimits,
        clock: systemClock,
        signal: new AbortController().signal,
      })
      if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
      const { transport } = dialled
      transport.attach(recorder)
      // What he is sent may be as large as it likes.
      transport.setMaxMessageBytes(defaultLimits.stanzaBytes)
      return new Mallory(transport, recorder)
    },
    canary,
    strangers: () =>
      montague.host.received.filter(({ from }) => from.domain !== 'capulet.example').map(({ id }) => id),
    backToBaseline: () => backTo(baseline),
    close: () => verona.close(),
  }
}

/** He holds what OpenSSL would not load at its usual level: old digests, short keys. */
function contextFor(authority: TestAuthority, shown: Shown | null): SecureContext {
  return createSecureContext({
    ...(shown === null ? {} : { cert: shown.certificatePem, key: shown.keyPem }),
    ca: authority.caPem,
    ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0`,
  })
}

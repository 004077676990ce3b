import { type AttackStage, ROOMS, TO, takesStanza } from './attack-stage.ts'
import { answerIn, conditionIn, dialback, type ScriptedStream } from './scripted-stream.ts'

// What a peer may say of keys, on which stream, and while what is pending: a table of all, of which dialback needs two.

/** `null`: without a type it is no answer. */
const TYPES = ['valid', 'invalid', 'error', 'unheard-of', null] as const
export const ROLES = ['a stream of its own', 'a stream that shows our key', 'a stream that asks'] as const
export const STATES = ['pending', 'nothing pending', 'another pair', 'another stream'] as const
export type Role = (typeof ROLES)[number]
export type State = (typeof STATES)[number]

export interface Word {
  readonly element: 'result' | 'verify'
  readonly type: (typeof TYPES)[number]
}

export const WORDS: readonly Word[] = TYPES.flatMap(type => [
  { element: 'result', type },
  { element: 'verify', type },
])

export const wordName = ({ element, type }: Word) => `${element} ${type ?? 'without a type'}`

/** What is true before the peer says its word. */
export interface Scene {
  /** where it says it */
  readonly stream: ScriptedStream
  /** whom it says it of */
  readonly about: { readonly from: string; readonly to: string; readonly id: string }
  /** Whether the gateway believes more than before. */
  believes(): Promise<boolean>
}

/** What the gateway says to it there, in short, with 'believed' where it believes more than before. */
export async function outcomeOf(scene: Scene, word: Word): Promise<string> {
  const { stream } = scene
  const before = stream.texts.length
  stream.say(spelled(scene, word))
  await stream.isRead()
  const said = short(stream.texts.slice(before))
  return (await scene.believes()) ? `believed: ${said}` : said
}

export function spelled({ about: { from, to, id } }: Scene, { element, type }: Word): string {
  const identified = element === 'verify' ? { id } : {}
  return dialback(element, { from, to, ...identified, ...(type === null ? { key: 'a key' } : { type }) })
}

/** A stream error's condition, a dialback answer's type or condition, an answer to a user's question; or nothing. */
function short(texts: readonly string[]): string {
  const [text = 'nothing'] = texts
  if (text.startsWith('<db:')) return answerIn(text)
  if (text.startsWith('<stream:error')) return `stream error ${conditionIn(text)}`
  if (text.startsWith('<close')) return 'close'
  return text.startsWith('<iq') ? 'a stanza' : text
}

/** How each state comes about. The streams that the attack is about end with `stage.peer.vanish()`. */
export function scenesOf(stage: AttackStage): Record<Role, Record<State, () => Promise<Scene>>> {
  const judged = (stream: ScriptedStream, from: string) => takesStanza(stream, from, TO)
  return {
    'a stream of its own': {
      async pending() {
        const from = stage.newDomain()
        const { stream, id } = await stage.shown(from)
        return { stream, about: { from, to: TO, id }, believes: () => judged(stream, from) }
      },
      async 'nothing pending'() {
        const from = stage.newDomain()
        const { stream, id } = await stage.stream(from)
        return { stream, about: { from, to: TO, id }, believes: () => judged(stream, from) }
      },
      async 'another pair'() {
        const from = stage.newDomain()
        const { stream, id } = await stage.shown(from)
        return { stream, about: { from, to: ROOMS, id }, believes: () => judged(stream, from) }
      },
      async 'another stream'() {
        const from = stage.newDomain()
        const other = await stage.shown(from)
        const { stream } = await stage.stream(from)
        const believes = async () => (await judged(stream, from)) || (await judged(other.stream, from))
        return { stream, about: { from, to: TO, id: other.id }, believes }
      },
    },
    'a stream that shows our key': {
      async pending() {
        const from = stage.newDomain()
        const { stream, id } = await stage.owed(from)
        return { stream, about: { from, to: TO, id }, believes: async () => hasAnswer(stream) }
      },
      async 'nothing pending'() {
        // It authenticates by certificate, and has shown no key yet.
        const from = stage.newDomain()
        await stage.owe(from, ROOMS)
        const { stream, id } = await stage.peer.takes('authenticates', ({ to }) => to === from)
        return { stream, about: { from, to: ROOMS, id }, believes: async () => hasAnswer(stream) }
      },
      async 'another pair'() {
        const from = stage.newDomain()
        const { stream, id } = await stage.owed(from)
        return { stream, about: { from, to: ROOMS, id }, believes: async () => hasAnswer(stream) }
      },
      async 'another stream'() {
        const [from, another] = [stage.newDomain(), stage.newDomain()]
        const { stream } = await stage.owed(from)
        const other = await stage.owed(another)
        const believes = async () => {
          await other.stream.isRead()
          return hasAnswer(stream) || hasAnswer(other.stream)
        }
        return { stream, about: { from: another, to: TO, id: other.id }, believes }
      },
    },
    'a stream that asks': {
      async pending() {
        const from = stage.newDomain()
        const { stream, id, asking } = await stage.shown(from)
        return { stream: asking.stream, about: { from, to: TO, id }, believes: () => judged(stream, from) }
      },
      async 'nothing pending'() {
        // It has heard our header, and has asked nothing before our features.
        const from = stage.newDomain()
        stage.peer.silent.add(from)
        const { stream, id } = await stage.stream(from)
        stream.say(dialback('result', { from, to: TO, key: 'a key' }))
        const asking = await stage.peer.opened(from)
        stage.peer.answerOpen(asking.stream, asking.opening)
        return { stream: asking.stream, about: { from, to: TO, id }, believes: () => judged(stream, from) }
      },
      async 'another pair'() {
        const [from, another] = [stage.newDomain(), stage.newDomain()]
        const { stream, id, asking } = await stage.shown(from)
        return {
          stream: asking.stream,
          about: { from: another, to: TO, id },
          believes: () => judged(stream, from),
        }
      },
      async 'another stream'() {
        const from = stage.newDomain()
        const { stream, asking } = await stage.shown(from)
        const other = await stage.shown(from)
        const believes = async () => (await judged(stream, from)) || (await judged(other.stream, from))
        return { stream: asking.stream, about: { from, to: TO, id: other.id }, believes }
      },
    },
  }
}

/** to the question of somebody at the peer's, which waits for the stream to be proven */
function hasAnswer({ texts }: ScriptedStream): boolean {
  return texts.some(text => text.startsWith('<iq'))
}

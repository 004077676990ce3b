import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AttackStage } from '../kit/attack-stage.ts'
import {
  outcomeOf,
  ROLES,
  type Role,
  STATES,
  type State,
  scenesOf,
  spelled,
  WORDS,
  wordName,
} from '../kit/dialback-scenes.ts'

// Dialback against a gateway that runs, by a peer that owns its domains and says what it likes. DECISIONS 21: answers that
// nobody asked for are dropped, and the third ends the stream by policy-violation.

let stage: AttackStage
beforeAll(async () => {
  stage = await AttackStage.create(400)
})
afterAll(() => stage.close())

/** DB-40: nothing else is ever believed. */
const BELIEVED = [
  'a stream that shows our key, pending: result valid',
  'a stream that asks, pending: verify valid',
]

type Row = Readonly<Record<string, string>>

/** What the gateway says to a word, where it is not nothing. */
const SAID: Readonly<Record<Role, Readonly<Record<State, Row>>>> = {
  'a stream of its own': {
    pending: { 'verify without a type': 'invalid' },
    'nothing pending': { 'verify without a type': 'invalid' },
    'another pair': { 'verify without a type': 'invalid' },
    'another stream': { 'verify without a type': 'invalid' },
  },
  'a stream that shows our key': {
    pending: {
      'result valid': 'believed: a stanza',
      'result invalid': 'stream error policy-violation',
      'result error': 'stream error policy-violation',
      'result unheard-of': 'stream error policy-violation',
      // DB-45: this stream proves us to the peer, and nobody to us.
      'result without a type': 'not-authorized',
      'verify without a type': 'invalid',
    },
    'nothing pending': { 'result without a type': 'not-authorized', 'verify without a type': 'invalid' },
    'another pair': { 'result without a type': 'item-not-found', 'verify without a type': 'item-not-found' },
    'another stream': { 'result without a type': 'not-authorized', 'verify without a type': 'invalid' },
  },
  'a stream that asks': {
    pending: {
      'verify valid': 'believed: close',
      'verify invalid': 'close',
      'verify error': 'close',
      'verify unheard-of': 'close',
    },
    'nothing pending': {},
    'another pair': {},
    'another stream': {},
  },
}

describe('120 words about keys', () => {
  const outcomes = new Map<Role, Map<State, Record<string, string>>>()
  beforeAll(async () => {
    const scenes = scenesOf(stage)
    for (const role of ROLES) {
      const rows = new Map<State, Record<string, string>>()
      outcomes.set(role, rows)
      for (const state of STATES) {
        const row: Record<string, string> = {}
        rows.set(state, row)
        for (const word of WORDS) {
          row[wordName(word)] = await outcomeOf(await scenes[role][state](), word)
          stage.peer.vanish()
        }
      }
    }
  })

  describe.each(ROLES)('on %s', role => {
    it.each(STATES)('%s', state => {
      const nothing = Object.fromEntries(WORDS.map(word => [wordName(word), 'nothing']))
      expect(outcomes.get(role)?.get(state)).toEqual({ ...nothing, ...SAID[role][state] })
    })
  })

  it('[DB-40] of them two are believed, each the answer to what was asked on its very stream', () => {
    const believed: string[] = []
    for (const [role, rows] of outcomes)
      for (const [state, row] of rows) {
        for (const [word, outcome] of Object.entries(row))
          if (outcome.startsWith('believed')) believed.push(`${role}, ${state}: ${word}`)
      }
    expect(believed).toEqual(BELIEVED)
    // By the gateway's own account, too.
    const proven = stage.established().filter(({ authentication }) => authentication === 'dialback')
    expect(proven.map(({ role }) => role)).toEqual(['initiating', 'receiving'])
  })
})

describe('[DB-40] what nobody has asked for', () => {
  const isAwaited = (element: string, role: Role) =>
    (element === 'result' && role === 'a stream that shows our key') ||
    (element === 'verify' && role === 'a stream that asks')

  describe.each(ROLES)('on %s', role => {
    it.each(STATES)('%s: the third ends the stream, and nothing is believed', async state => {
      const scene = await scenesOf(stage)[role][state]()
      const { stream } = scene
      const unsolicited = WORDS.filter(
        ({ element, type }) => type !== null && !(state === 'pending' && isAwaited(element, role)),
      )
      for (const word of unsolicited.slice(0, 2)) stream.say(spelled(scene, word))
      await stream.isRead()
      expect(stream.error).toBeUndefined()
      for (const word of unsolicited.slice(2, 3)) stream.say(spelled(scene, word))
      await stream.isRead()
      expect(stream.error).toBe('policy-violation')
      expect(await scene.believes()).toBe(false)
      stage.peer.vanish()
    })
  })
})

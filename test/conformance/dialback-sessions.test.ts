import { describe, expect, it } from 'vitest'
import { type DialbackOutcome, dialbackSecret, type Verification } from '../../src/stream/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import {
  type Against,
  initiatingAgainst,
  MONTAGUE,
  receivingAgainst,
  type Setting,
  STEPS,
  say,
  tlsFacts,
} from '../kit/sessions.ts'
import { turns } from '../kit/transport-compliance.ts'

// Dialback as sessions do it, over WebSocket: with certificates, refusals, and peers that end.

const secret = dialbackSecret('s3cr3tf0rd14lb4ck')
const db = (name: string, attributes: string, content = '') =>
  `<db:${name} xmlns:db='${NS.dialback}' xmlns='jabber:server' ${attributes}>${content}</db:${name}>`
const shows = (from: string) => db('result', `from='${from}' to='montague.example'`, 'a key')

const authority = testAuthority()
const certificate = authority.issue({ dns: ['capulet.example', 'rooms.capulet.example', 'capulet.net'] })
const VALID: DialbackOutcome = { type: 'valid', evidence: 'its own server' }

interface Taking {
  readonly against: Against
  readonly asked: readonly Verification[]
}

/** Montague's side, which takes keys; the certificate is capulet's. */
function taking(setting: Setting = {}): Taking {
  const asked: Verification[] = []
  const verify = (verification: Verification) => {
    asked.push(verification)
    return Promise.resolve(VALID)
  }
  const against = receivingAgainst({
    tls: tlsFacts(certificate),
    roots: [authority.caPem],
    receivingOptions: { dialback: { secret, verify } },
    ...setting,
  })
  return { against, asked }
}

describe('a stream that a certificate has proven', () => {
  const proven = async () => {
    const { against, asked } = taking()
    await say(against, STEPS.initiating)
    expect(against.handler.standing.proof.method).toBe('sasl-external')
    return { against, asked }
  }

  it('[DB-22] takes a key of a further domain that the same certificate proves, and asks nobody', async () => {
    const { against, asked } = await proven()
    await say(against, [shows('rooms.capulet.example')])
    await turns()
    expect(against.seen.texts.at(-1)).toBe(
      db('result', `from='montague.example' to='rooms.capulet.example' type='valid'`).replace(
        '></db:result>',
        '/>',
      ),
    )
    expect(asked).toEqual([])
    expect(against.handler.authorised).toEqual([{ local: MONTAGUE, remote: 'rooms.capulet.example' }])
    expect(against.handler.standing.pairs).toHaveLength(2)
    await say(against, [
      `<message xmlns='jabber:server' from='hall@rooms.capulet.example' to='romeo@montague.example'/>`,
    ])
    expect(against.handler.stanzas).toHaveLength(1)
  })

  it('[DB-22] asks about any other, and about one to a domain that is not ours nobody', async () => {
    const { against, asked } = await proven()
    await say(against, [shows('verona.example')])
    await turns()
    expect(asked.map(({ pair }) => pair)).toEqual([{ local: MONTAGUE, remote: 'verona.example' }])
    await say(against, [shows('rooms.capulet.example').replace('montague.example', 'verona.example')])
    expect(against.seen.texts.at(-1)).toContain('item-not-found')
  })
})

it('[CT-09 DB-22] a certificate that has proven a further domain ends the stream with its own end', async () => {
  const lifeMs = 3_600_000
  const ending = authority.issue({
    dns: ['capulet.example', 'rooms.capulet.example'],
    notAfterMs: Date.now() + lifeMs,
  })
  const { against, asked } = taking({ tls: tlsFacts(ending) })
  await say(against, [STEPS.initiating[0], shows('verona.example')])
  await turns()
  await say(against, [shows('rooms.capulet.example')])
  await turns()
  expect(asked.map(({ pair }) => pair.remote)).toEqual(['verona.example'])
  expect(against.handler.standing.pairs).toHaveLength(2)
  await against.clock.pass(lifeMs - 60_000, 20_000)
  expect(against.handler.ends).toEqual([])
  await against.clock.pass(120_000, 20_000)
  expect(against.handler.ends).toMatchObject([{ failure: { condition: 'reset', rule: 'CT-09' } }])
})

describe('a stream whose certificate proves somebody else than its from', () => {
  it('[DB-22 SA-01] asks about every key, of whatever domain', async () => {
    const { against, asked } = taking()
    const open = `<open xmlns='${NS.framing}' from='verona.example' to='montague.example' version='1.0'/>`
    await say(against, [open, shows('verona.example')])
    await turns()
    await say(against, [shows('rooms.capulet.example')])
    await turns()
    expect(asked.map(({ pair }) => pair.remote)).toEqual(['verona.example', 'rooms.capulet.example'])
  })
})

describe('the initiating side, over WebSocket', () => {
  const FAILURE = `<failure xmlns='${NS.sasl}'><not-authorized/></failure>`
  const [open, external] = STEPS.receiving
  const offered = external.replace(
    '</stream:features>',
    `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback></stream:features>`,
  )
  const VALID_ANSWER = db('result', `from='montague.example' to='capulet.example' type='valid'`)
  const ERROR = `<stream:error xmlns:stream='${NS.stream}'><not-authorized xmlns='${NS.streamErrors}'/></stream:error>`
  const CLOSE = `<close xmlns='${NS.framing}'/>`

  const dialled = async (said: readonly string[], options: Setting['initiatingOptions'] = {}) => {
    const against = initiatingAgainst({ initiatingOptions: { dialback: secret, ...options } })
    await say(against, said)
    return against
  }
  /** what it has written: the names of the elements */
  const written = ({ seen }: Against) => seen.texts.map(text => /^<([\w:]+)/.exec(text)?.[1])

  it('[SA-13] shows its key on the stream on which EXTERNAL was refused, which then stands', async () => {
    const against = await dialled([open, offered, FAILURE, VALID_ANSWER])
    expect(written(against)).toEqual(['open', 'auth', 'db:result'])
    expect(against.handler.standing.proof).toMatchObject({ method: 'dialback', domain: MONTAGUE })
    expect(against.handler.standing.proof.evidence).toContain('montague.example')
  })

  it.each<[string, (against: Against) => Promise<void> | void]>([
    ['a close', against => say(against, [CLOSE])],
    ['an error', against => say(against, [ERROR, CLOSE])],
    ['the end of the connection', ({ peer }) => peer.abort()],
  ])(
    '[SA-14] that the refusal was followed by %s is told: dialback may come first next time',
    async (_, ends) => {
      const against = await dialled([open, offered, FAILURE])
      await ends(against)
      await turns()
      against.peer.close(1000, '')
      await turns()
      expect(against.handler.ends).toMatchObject([
        {
          failure: {
            kind: 'unauthenticated',
            retryWith: 'dialback',
            detail: expect.stringContaining('refused SASL EXTERNAL: not-authorized'),
          },
        },
      ])
    },
  )

  it.each([
    ['before the refusal', [open, offered]],
    ['without one', [open, features('dialback')]],
  ])('[SA-14] and of an end %s it is not', async (_, said) => {
    const against = await dialled([...said, CLOSE])
    against.peer.close(1000, '')
    await turns()
    expect(against.handler.ends).toHaveLength(1)
    expect(against.handler.ends[0]?.failure).not.toHaveProperty('retryWith')
  })

  it('[SA-14] what speaks for the domain says more than the refusal', async () => {
    const against = await dialled([
      open,
      offered,
      FAILURE,
      ERROR.replace('not-authorized', 'host-unknown'),
      CLOSE,
    ])
    against.peer.close(1000, '')
    await turns()
    expect(against.handler.ends).toMatchObject([{ failure: { kind: 'reported', condition: 'host-unknown' } }])
  })

  it('[SA-14] with dialback first it shows its key at once, and asks for EXTERNAL where there is no dialback', async () => {
    const against = await dialled([open, offered, VALID_ANSWER], { first: 'dialback' })
    expect(written(against)).toEqual(['open', 'db:result'])
    expect(against.handler.standing.proof.method).toBe('dialback')
    expect(written(await dialled([open, external], { first: 'dialback' }))).toEqual(['open', 'auth'])
    expect(written(await dialled([open, offered], { first: 'external' }))).toEqual(['open', 'auth'])
  })

  it('[SA-16] without a certificate it does not ask for EXTERNAL, and says what is missing', async () => {
    const against = await dialled([open, offered], { certificate: false })
    expect(written(against)).toEqual(['open', 'db:result'])
    const alone = await dialled([open, external], { certificate: false })
    expect(written(alone)).toEqual(['open', 'stream:error', 'close'])
    expect(alone.seen.texts.join('')).toContain('there is no certificate here to show')
  })
})

function features(name: string): string {
  return `<stream:features xmlns:stream='${NS.stream}'><${name} xmlns='${NS.dialbackFeature}'/></stream:features>`
}

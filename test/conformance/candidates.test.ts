import { afterEach, expect, it } from 'vitest'
import { message } from '../../src/index.ts'
import { type TestAuthority, testAuthority } from '../kit/authority.ts'
import { federations } from '../kit/federations.ts'
import { frontDomain, testFront } from '../kit/fronts.ts'
import { Recorder } from '../kit/transport-compliance.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Takes streams at wss://montague.example/s2s, and begins each with `answers`. @returns its address */
async function impostor(
  authority: TestAuthority,
  certificateName: string,
  ...answers: readonly string[]
): Promise<string> {
  const from = authority.issue({ dns: [certificateName] })
  const front = await testFront({
    domains: [frontDomain('montague.example', { from })],
    onTransport: ({ transport }) => {
      const recorder = new Recorder()
      recorder.react = () => {
        for (const answer of answers) transport.send(answer)
        recorder.react = () => transport.close(1000)
      }
      transport.attach(recorder)
    },
  })
  closing.push(() => front.front.close())
  return `127.0.0.1:${front.port}`
}

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing-server'"

it('[DS-25] candidates are tried until one has a valid identity and opens the stream of the wanted domain', async () => {
  const authority = testAuthority()
  const close = `<close ${FRAMING}/>`
  const header = `<open ${FRAMING} from='verona.example' to='capulet.example' id='1' version='1.0'/>`
  const features = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>`
  const country = await federations(
    [
      {
        name: 'capulet.example',
        more: {
          endpoints: ['web', 'wrong', 'closing', 'stranger', ''].map(host => ({
            domain: 'montague.example',
            url: `wss://montague.example${host === '' ? '' : `:${PORTS[host] ?? 0}`}/${host === 'web' ? 'chat' : 's2s'}`,
          })),
        },
      },
      { name: 'montague.example' },
    ],
    {
      authority,
      connect: {
        'montague.example:1001': await impostor(authority, 'montague.example', close),
        'montague.example:1002': await impostor(authority, 'verona.example', close),
        'montague.example:1003': await impostor(authority, 'montague.example', close),
        'montague.example:1004': await impostor(authority, 'montague.example', header, features),
      },
    },
  )
  closing.push(() => country.close())
  const [capulet, montague] = country.towns
  await capulet?.federation.send(
    message({ from: 'juliet@capulet.example', to: 'romeo@montague.example', id: '1', body: 'x' }),
  )
  await montague?.host.receives(({ id }) => id === '1')
  const failed = capulet?.events.flatMap(event => (event.type === 'candidate:failed' ? [event.reason] : []))
  expect(failed).toEqual(['network.http', 'peer.identity', 'peer.closed', 'peer.violation'])
})

const PORTS: Readonly<Record<string, number>> = { web: 1001, wrong: 1002, closing: 1003, stranger: 1004 }

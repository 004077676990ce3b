import type { Random } from '../base/index.ts'
import type { Barrier } from '../session/index.ts'
import { type Domain, type DomainPair, element, iq, type Jid, NS, type Stanza } from '../xmpp/index.ts'

interface Asking {
  answered(id: number): void
}

/**
 * Pings behind the stanzas of a leg: their answers, which come on whatever stream the server sends on, say that it has read
 * what was before them. Nobody else ever sees them.
 */
export class Barriers {
  readonly #random: Random
  /** by the unguessable part of the id */
  readonly #asking = new Map<string, { readonly pair: DomainPair; readonly session: Asking }>()

  constructor(random: Random) {
    this.#random = random
  }

  /** For one stream that speaks for `pair.local`. */
  open(
    pair: DomainPair,
    onSilent: () => void,
  ): { readonly barrier: Barrier; readonly close: () => void; readonly of: (session: Asking) => void } {
    const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString('hex')
    const payload = element('ping', NS.ping)
    return {
      barrier: {
        request: id =>
          iq({ from: pair.local, to: pair.remote, type: 'get', id: `${PREFIX}${nonce}-${id}`, payload }),
        onSilent,
      },
      of: session => void this.#asking.set(nonce, { pair, session }),
      close: () => void this.#asking.delete(nonce),
    }
  }

  /**
   * Whether the stanza is an answer to one of them, or looks like one: nobody else is to see it then. An error is an
   * answer too. What counts is that of the server itself, to whom it was asked for.
   */
  takes(stanza: Stanza): boolean {
    if (stanza.kind !== 'iq' || (stanza.type !== 'result' && stanza.type !== 'error')) return false
    const [, nonce = '', id = ''] = ID.exec(stanza.id) ?? []
    if (id === '') return false
    const asking = this.#asking.get(nonce)
    if (
      asking !== undefined &&
      isFrom(stanza.from, asking.pair.remote) &&
      isFrom(stanza.to, asking.pair.local)
    )
      asking.session.answered(Number(id))
    return true
  }
}

function isFrom({ local, domain, resource }: Jid, wanted: Domain): boolean {
  return domain === wanted && local === '' && resource === ''
}

const PREFIX = 'isthmus-read-'
const NONCE_BYTES = 16
const ID = new RegExp(`^${PREFIX}([0-9a-f]{${2 * NONCE_BYTES}})-([0-9]{1,10})$`)

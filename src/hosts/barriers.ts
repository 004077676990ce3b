import type { Random } from '../base/index.ts'
import type { Barrier } from '../session/index.ts'
import { type DomainPair, element, iq, NS, type Stanza } from '../xmpp/index.ts'

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

  /** Whether the stanza is an answer to one of them; nobody else is to see it then. An error is an answer too. */
  takes(stanza: Stanza): boolean {
    if (stanza.kind !== 'iq' || !stanza.id.startsWith(PREFIX)) return false
    if (stanza.type !== 'result' && stanza.type !== 'error') return false
    const [nonce = '', id = ''] = stanza.id.slice(PREFIX.length).split('-')
    const asking = this.#asking.get(nonce)
    // That of a stream that has ended meanwhile: still nobody's.
    if (asking === undefined) return nonce.length === 2 * NONCE_BYTES
    if (stanza.from.domain !== asking.pair.remote || stanza.to.domain !== asking.pair.local) return false
    asking.session.answered(Number(id))
    return true
  }
}

const PREFIX = 'isthmus-read-'
const NONCE_BYTES = 16

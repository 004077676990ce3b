import type { Domain, Stanza } from '../xmpp/index.ts'

/** From which domains stanzas are in the hands of which hosts. Costs nothing where hosts answer at once. */
export class InHand {
  /** what is being handed over in this very call */
  readonly #handing: Stanza[] = []
  /** to -> from -> how many have no answer yet */
  readonly #kept = new Map<Domain, Map<Domain, number>>()

  has(to: Domain, from: Domain): boolean {
    return (
      this.#handing.some(stanza => stanza.to.domain === to && stanza.from.domain === from) ||
      this.#kept.get(to)?.has(from) === true
    )
  }

  begin(stanza: Stanza): void {
    this.#handing.push(stanza)
  }

  end(): void {
    this.#handing.pop()
  }

  /** The answer comes later. */
  keep({ to, from }: Stanza): void {
    const ofHost = this.#kept.get(to.domain)
    if (ofHost === undefined) this.#kept.set(to.domain, new Map([[from.domain, 1]]))
    else ofHost.set(from.domain, (ofHost.get(from.domain) ?? 0) + 1)
  }

  release({ to, from }: Stanza): void {
    const ofHost = this.#kept.get(to.domain)
    const left = (ofHost?.get(from.domain) ?? 0) - 1
    if (left > 0) ofHost?.set(from.domain, left)
    else ofHost?.delete(from.domain)
  }
}

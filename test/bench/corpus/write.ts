import { Buffer } from 'node:buffer'

// How the stanzas of the corpus are written: text with the habits of different servers, and a little fixed randomness.

/** A small generator of fixed sequences (a linear congruence): the corpus is the same on every machine. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** a whole number from 0 up to, not including, `sides` */
  roll(sides: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * sides)
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.roll(from.length)]
    if (picked === undefined) throw new TypeError('nothing to pick from')
    return picked
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.roll(16).toString(16)
    return text
  }

  uuid(): string {
    const [a, b, c, d, e] = [8, 4, 4, 4, 12].map(digits => this.hex(digits))
    return `${a}-${b}-${c}-${d}-${e}`
  }

  base64(bytes: number): string {
    return Buffer.from(Array.from({ length: bytes }, () => this.roll(256))).toString('base64')
  }

  /** a moment of the year 2026, as XEP-0082 writes it */
  time(): string {
    const at = Date.UTC(2026, this.roll(12), 1 + this.roll(28), this.roll(24), this.roll(60), this.roll(60))
    return new Date(at).toISOString().replace('.000Z', 'Z')
  }
}

/** What a writer of stanzas has at hand. */
export interface Pen {
  readonly dice: Dice
  /** the domain that the stanzas come from, and theirs */
  readonly from: string
  readonly to: string
}

type Attributes = Readonly<Record<string, string | number | undefined>>

/** An element as Prosody and ejabberd write it: single quotes, no white space between. */
export function tag(name: string, attributes: Attributes = {}, ...children: readonly string[]): string {
  let head = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) head += ` ${key}='${escaped(String(value))}'`
  }
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`
}

/** A stanza of jabber:server. */
export function stanza(
  kind: 'message' | 'presence' | 'iq',
  attributes: Attributes,
  ...children: readonly string[]
): string {
  return tag(kind, { xmlns: 'jabber:server', ...attributes }, ...children)
}

/** For text and for attributes in either quotes. */
export function escaped(text: string): string {
  return text.replace(/[&<>'"]/g, character => ESCAPES[character] ?? character)
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
}

export const times = (count: number, write: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => write(index))

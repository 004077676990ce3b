import type { Event, Random } from '../base/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { Answers } from './answers.ts'
import type { DialDeps } from './dial.ts'
import type { Inbound } from './inbound.ts'
import type { Settings } from './options.ts'
import type { Router } from './router.ts'

/** The stages of a walk to a domain, in order. */
export type StageName =
  | 'discovery'
  | 'connect'
  | 'tls'
  | 'identity'
  | 'upgrade'
  | 'open'
  | 'features'
  | 'authentication'
  | 'ping'
  /** the peer's own stream back to us, on which the ping's answer comes */
  | 'reverse'

export interface Stage {
  readonly name: StageName
  readonly ok: boolean
  readonly ms: number
  readonly detail: string
  /** where it failed: an identifier of docs/ERRORS.md */
  readonly reason?: string
}

export interface WalkDeps extends DialDeps {
  readonly router: Pick<Router, 'pool' | 'receive'>
  readonly inbound: Inbound
  readonly answers: Answers
  readonly random: Random
  readonly settings: Pick<Settings, 'dialback' | 'listen'>
  /** where peers reach `local`; null: nowhere */
  readonly urlOf: (local: Domain) => string | null
  readonly isReachable: (local: Domain) => boolean
  readonly limits: DialDeps['limits'] & { readonly pingAnswerMs: number; readonly closeMs: number }
}

export function stagePassed(name: StageName, ms: number, detail: string): Stage {
  return { name, ok: true, ms, detail }
}

export function stageFailed(name: StageName, ms: number, reason: string, detail: string): Stage {
  return { name, ok: false, ms, detail, reason }
}

/** The stages of one candidate: passes each once, in order; what fails is the first that has not been passed. */
export class Steps {
  readonly stages: Stage[] = []
  readonly #clock: WalkDeps['clock']
  #sinceMs: number

  constructor({ clock }: Pick<WalkDeps, 'clock'>) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  pass(name: StageName, detail: string): void {
    if (this.#next === name) this.stages.push(stagePassed(name, this.#lap(), detail))
  }

  fail(reason: string, detail: string): void {
    this.stages.push(stageFailed(this.#next ?? 'authentication', this.#lap(), reason, detail))
  }

  watch(event: Event): void {
    if (event.type === 'stream:open') this.pass('open', `stream ${event.id}`)
    else if (event.type === 'stream:features') this.pass('features', event.features.join(', '))
  }

  get #next(): StageName | undefined {
    return CANDIDATE_STAGES[this.stages.length]
  }

  #lap(): number {
    const sinceMs = this.#sinceMs
    this.#sinceMs = this.#clock.monotonicMs()
    return this.#sinceMs - sinceMs
  }
}

const CANDIDATE_STAGES: readonly StageName[] = [
  'connect',
  'tls',
  'identity',
  'upgrade',
  'open',
  'features',
  'authentication',
]

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
}

export interface CheckReport {
  readonly ok: boolean
  readonly stages: readonly Stage[]
  /** which exit code of the command fits: 0 ok, 1 failed, 4 unreachable, 5 identity */
  readonly outcome: 'ok' | 'failed' | 'unreachable' | 'identity'
}

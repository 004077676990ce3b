import { COMPONENT_LISTEN } from '../config/component-schema.ts'
import { SERVER_LISTEN } from '../config/server-schema.ts'
import { STEERING_LISTEN } from '../config/steering-schema.ts'
import type { InitAnswers, ServerName, Steering } from './answers.ts'
import { type Fault, initFaults, settle } from './faults.ts'
import { type FrontPlan, planFront } from './front.ts'

/** What comes from the machine that init runs on, where nobody answered. */
export interface InitMachine {
  /** 'ADDRESS:PORT': whom it asks for names */
  readonly resolvers: readonly string[]
  /** a new secret */
  readonly secret: string
}

type Open = 'serverCa' | 'serverPin' | 'steering' | 'http' | 'certificate' | 'key' | 'tls' | 'trustedProxy'

/** The answers, complete. */
export interface InitPlan extends Required<Omit<InitAnswers, Open>>, FrontPlan {
  /** null: the domain has no certificate of ours; it proves itself by dialback */
  readonly identity: { readonly certificate: string; readonly key: string } | null
  readonly serverCa: string | null
  readonly serverPin: string | null
  /** null: there is nothing to steer */
  readonly steering: Steering | null
  readonly http: string | null
}

export type Planned =
  | { readonly ok: true; readonly plan: InitPlan }
  | { readonly ok: false; readonly faults: readonly Fault[] }

/** Debian's; `config check` says so where it is not there. */
export const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt'

const ROOTS: Readonly<Record<ServerName, string>> = {
  prosody: '/etc/prosody/isthmus-authority.pem',
  ejabberd: '/etc/ejabberd/isthmus-roots.pem',
  jabberd2: '',
  openfire: '',
  component: '',
}

/** Complete the answers, and see that they go together. */
export function planInit(answers: InitAnswers, machine: InitMachine): Planned {
  const faults = initFaults(answers)
  if (faults.length > 0) return { ok: false, faults }
  const { server, domain } = answers
  const { tcpEgress, steering, security } = settle(answers)
  const url = answers.url ?? `wss://${domain}/s2s`
  const known = answers.serverCa ?? (answers.serverPin === undefined ? SYSTEM_ROOTS : null)
  return {
    ok: true,
    plan: {
      server,
      domain,
      also: answers.also ?? [],
      url,
      ...planFront(answers, url),
      identity: identityOf(answers),
      tcpEgress,
      serverAddress: answers.serverAddress ?? '127.0.0.1:5269',
      serverListen: answers.serverListen ?? SERVER_LISTEN,
      security,
      serverCa: security === 'tls' ? known : null,
      serverPin: security === 'tls' ? (answers.serverPin ?? null) : null,
      roots: answers.roots ?? ROOTS[server],
      steering,
      remote: answers.remote ?? [],
      dnsListen: answers.dnsListen ?? (server === 'jabberd2' ? '127.0.0.1:53' : STEERING_LISTEN),
      dnsUpstream: answers.dnsUpstream ?? machine.resolvers,
      http: answers.http ?? null,
      componentListen: answers.componentListen ?? COMPONENT_LISTEN,
      componentSecret: answers.componentSecret ?? machine.secret,
    },
  }
}

// Behind a proxy that ends TLS nobody who dials us would see it, so it is for whoever wants it shown to those that we dial.
function identityOf({ domain, tls, certificate, key }: InitAnswers): InitPlan['identity'] {
  if (tls === 'proxy' && certificate === undefined && key === undefined) return null
  return { certificate: certificate ?? `${domain}.pem`, key: key ?? `${domain}.key` }
}

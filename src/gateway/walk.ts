import { createFederation } from '../index.ts'
import { askCheck } from './admin-client.ts'
import type { WalkReport, WalkStage } from './admin-protocol.ts'
import { type AdminUser, adminSocketPaths } from './admin-socket.ts'
import type { Config } from './config/config.ts'
import { federationOptions } from './gateway.ts'

export interface WalkOptions {
  readonly remote: string
  /** one of the configured domains */
  readonly local: string
  readonly user: AdminUser
  readonly signal: AbortSignal
  readonly onStage: (stage: WalkStage) => void
}

export type Walked =
  | { readonly ok: true; readonly by: 'running gateway' | 'own listener'; readonly report: WalkReport }
  | { readonly ok: false; readonly detail: string }

/**
 * Walk to a domain, always afresh. A gateway that runs with this configuration is asked to do it, because the answer
 * to the ping comes to its port; where none runs, the configured listeners are brought up for the duration.
 */
export async function walkTo(config: Config, options: WalkOptions): Promise<Walked> {
  const { remote, local, onStage, user } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(config.limits.checkMs)])
  const paths = adminSocketPaths({ path: config.path, socket: config.admin.socket }, user)
  const asked = await askCheck({ paths, user }, { remote, local }, { signal, onStage })
  if (asked !== null) {
    return asked.ok ? { ok: true, by: 'running gateway', report: asked.value } : asked
  }
  const federation = await createFederation(federationOptions(config))
  try {
    const report = await federation.check(remote, { local, signal, onStage })
    return { ok: true, by: 'own listener', report }
  } finally {
    await federation.close({ deadlineMs: config.limits.closeMs })
  }
}

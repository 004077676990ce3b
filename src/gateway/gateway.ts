import { X509Certificate } from 'node:crypto'
import type { Event } from '../base/index.ts'
import { systemClock } from '../base/system.ts'
import { embedded } from '../hosts/index.ts'
import { createFederation, type Federation, type FederationOptions } from '../index.ts'
import { type AdminSocket, openAdminSocket } from './admin.ts'
import { type AdminUser, adminSocketPaths } from './admin-socket.ts'
import { CertificateWatch } from './certificates.ts'
import { type Config, describeConfig } from './config/config.ts'
import { EventLog, type Logger } from './log.ts'

/** A running gateway: one federation made from a configuration, its log, its certificates and its admin socket. */
export interface Gateway {
  readonly federation: Federation
  /** where the admin socket is; null: there is none */
  readonly adminPath: string | null
  /** read certificates and keys again now */
  reloadCertificates(): void
  /** system-shutdown to every stream, then closes. Resolves within `limits.drainMs`. Idempotent. */
  stop(): Promise<void>
}

export interface GatewayIo {
  readonly logger: Logger
  readonly user: AdminUser
  readonly version: string
}

/** Wire a gateway together, top to bottom. Rejects where it cannot listen. */
export async function startGateway(config: Config, io: GatewayIo): Promise<Gateway> {
  const { logger } = io
  const startedMs = systemClock.wallMs()
  const log = new EventLog(logger, config.limits, systemClock)
  logger.debug({ config: describeConfig(config) }, 'configuration')

  const federation = await createFederation({
    ...federationOptions(config),
    clock: systemClock,
    onEvent: event => log.write(event),
  })

  for (const { name, certificate } of config.domains) log.write(certificateLoaded(name, certificate.pem))

  const certificates = new CertificateWatch({
    domains: config.domains,
    limits: config.limits,
    clock: systemClock,
    onChange: (domain, pem) => {
      federation.setCertificate(domain.name, pem)
      log.write(certificateLoaded(domain.name, pem.certificate))
    },
    onProblem: (domain, detail) =>
      log.write({ type: 'certificate:problem', domain: domain.name, reason: 'reload', detail }),
  })

  const admin = await openAdmin(config, io, {
    status: () => ({
      version: io.version,
      pid: process.pid,
      config: config.path,
      startedAt: new Date(startedMs).toISOString(),
      listening: federation.listening,
      domains: config.domains.flatMap(({ name, also }) => [name, ...also]),
      account: federation.account(),
    }),
    check: ({ remote, local }, options) => federation.check(remote, { local, ...options }),
  })

  let stopped: Promise<void> | null = null
  const stop = async () => {
    certificates.close()
    admin?.close()
    await federation.close({ deadlineMs: config.limits.drainMs })
    log.close()
  }
  return {
    federation,
    adminPath: admin?.path ?? null,
    reloadCertificates: () => certificates.reload(),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** The library's options for a configuration. */
export function federationOptions(config: Config): FederationOptions {
  return {
    domains: config.domains.map(domain => ({
      name: domain.name,
      also: domain.also,
      ...(domain.url === null ? {} : { url: domain.url }),
      ...(domain.ips.length === 0 ? {} : { ips: domain.ips }),
      certificate: domain.certificate.pem,
      key: domain.key.pem,
      host: embedded({ echo: true }),
    })),
    listen: config.listen,
    trust: {
      ca: config.trust.ca.map(file => file.pem),
      intermediates: config.trust.intermediates.map(file => file.pem),
    },
    network: config.network,
    endpoints: config.endpoints,
    limits: config.limits,
  }
}

function certificateLoaded(domain: string, pem: string): Event {
  const leaf = new X509Certificate(pem)
  const sha256 = leaf.fingerprint256.replaceAll(':', '').toLowerCase()
  return { type: 'certificate:loaded', domain, notAfterMs: Date.parse(leaf.validTo), sha256 }
}

async function openAdmin(
  config: Config,
  io: GatewayIo,
  handlers: Parameters<typeof openAdminSocket>[0]['handlers'],
): Promise<AdminSocket | null> {
  if (config.admin.socket === 'off') return null
  const paths = adminSocketPaths({ path: config.path, socket: config.admin.socket }, io.user)
  const admin = await openAdminSocket({ paths, user: io.user, limits: config.limits, handlers })
  if ('problem' in admin) {
    io.logger.warn({ detail: admin.problem }, 'no admin socket: `isthmus check` will not find this gateway')
    return null
  }
  io.logger.info({ path: admin.path }, 'admin socket')
  return admin
}

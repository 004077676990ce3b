import { X509Certificate } from 'node:crypto'
import type { Event } from '../base/index.ts'
import { systemClock, systemRandom } from '../base/system.ts'
import { embedded } from '../hosts/index.ts'
import {
  createFederation,
  type Federation,
  type FederationOptions,
  type Host,
  type ListenOptions,
  type StreamHost,
} from '../index.ts'
import type { Steering } from '../steering/index.ts'
import { type AdminSocket, openAdminSocket } from './admin.ts'
import { type AdminUser, adminSocketPaths } from './admin-socket.ts'
import { CertificateWatch } from './certificates.ts'
import {
  type Config,
  type DomainConfig,
  describeConfig,
  type KeyPairFiles,
  type ListenConfig,
} from './config/config.ts'
import { loadConfig } from './config/load.ts'
import { fitConnections, openFilesLimit } from './descriptors.ts'
import { createHosts, RestartNeeded } from './hosts.ts'
import { legAuthority } from './leg-authority.ts'
import { EventLog, type Logger } from './log.ts'
import { fixedKeys, Reload } from './reload.ts'
import { startSteering } from './steering.ts'
import { StartProblem } from './system-failure.ts'

/** A running gateway: one federation made from a configuration, its log, its certificates and its admin socket. */
export interface Gateway {
  readonly federation: Federation
  /** where the admin socket is; null: there is none */
  readonly adminPath: string | null
  /**
   * Read the configuration and every file that it names again, and put it in force; where that cannot be, the former one
   * stays, and the log says why. Resolves when either is so. It also comes by itself, where a file changes.
   */
  reload(): Promise<void>
  /** system-shutdown to every stream, then closes. Resolves within `limits.drainMs`. Idempotent. */
  stop(): Promise<void>
}

export interface GatewayIo {
  readonly logger: Logger
  readonly user: AdminUser
  readonly version: string
}

/** Wire a gateway together, top to bottom. Rejects where it cannot listen. */
export async function startGateway(written: Config, io: GatewayIo): Promise<Gateway> {
  const { logger } = io
  const openFiles = openFilesLimit()
  const fitted = (wanted: Config): Config => ({
    ...wanted,
    limits: fitConnections(wanted.limits, openFiles).limits,
  })
  const config = fitted(written)
  const { warning } = fitConnections(written.limits, openFiles)
  if (warning !== null) logger.warn({ detail: warning }, 'fewer connections than configured')
  const startedMs = systemClock.wallMs()
  const log = new EventLog(logger, config.limits, systemClock)
  logger.debug({ config: describeConfig(config) }, 'configuration')

  const authorityAt = (directory: string) => {
    const { limits } = config
    const loaded = legAuthority({ directory, limits, clock: systemClock, random: systemRandom })
    if ('problem' in loaded) throw new StartProblem(loaded.problem)
    return loaded.authority
  }
  let hosts = createHosts(config, authorityAt)
  let inForce = config
  let stopped: Promise<void> | null = null
  const federation = await createFederation({
    ...federationOptions(config, hosts.of),
    clock: systemClock,
    onEvent: event => log.write(event),
  })
  let steering: Steering | null
  try {
    steering = await startSteering(
      config,
      hosts.server,
      () => inForce.domains,
      federation,
      event => log.write(event),
    )
  } catch (problem) {
    await federation.close({ deadlineMs: 0 })
    throw problem
  }

  const tellCertificates = ({ domains }: Config, before: Config | null) => {
    for (const { name, identity } of domains) {
      const former = before?.domains.find(domain => domain.name === name)?.identity
      if (identity !== null && identity.certificate.pem !== former?.certificate.pem)
        log.write(certificateLoaded(name, identity.certificate.pem))
    }
  }
  tellCertificates(config, null)

  const watchCertificates = ({ domains }: Config) =>
    new CertificateWatch({
      domains,
      limits: config.limits,
      clock: systemClock,
      onChange: (domain, pem) => {
        federation.setCertificate(domain.name, pem)
        log.write(certificateLoaded(domain.name, pem.certificate))
      },
      onProblem: (domain, detail) =>
        log.write({ type: 'certificate:problem', domain: domain.name, reason: 'reload', detail }),
    })
  let certificates = watchCertificates(config)

  const become = async (next: Config) => {
    const fixed = fixedKeys(inForce, next)
    if (fixed.length > 0) throw new RestartNeeded(`changed: ${fixed.join(', ')}`)
    const nextHosts = createHosts(next, authorityAt, hosts.made)
    if (steering !== null && nextHosts.server !== hosts.server)
      throw new RestartNeeded('steering sends to a server that is another one')
    await federation.reconfigure(federationOptions(next, nextHosts.of))
    if (stopped !== null) return
    tellCertificates(next, inForce)
    inForce = next
    hosts = nextHosts
    certificates.close()
    certificates = watchCertificates(next)
  }
  const reload = new Reload({
    path: config.path,
    load: () => loadConfig(config.path, io.user.environment),
    become: next => become(fitted(next)),
    onWarning: detail => logger.warn({ detail }, 'configuration'),
    onProblem: detail => log.write({ type: 'reload:failed', detail }),
    limits: config.limits,
    clock: systemClock,
  })

  const admin = await openAdmin(config, io, {
    status: () => ({
      version: io.version,
      pid: process.pid,
      config: config.path,
      startedAt: new Date(startedMs).toISOString(),
      listening: federation.listening,
      domains: inForce.domains.flatMap(({ name, also }) => [name, ...also]),
      account: federation.account(),
    }),
    check: ({ remote, local }, options) => federation.check(remote, { local, ...options }),
  })

  const stop = async () => {
    reload.close()
    certificates.close()
    admin?.close()
    // The server finds its own way from now on: what it opens is not wanted here any more.
    await steering?.close()
    await federation.close({ deadlineMs: config.limits.drainMs })
    log.close()
  }
  return {
    federation,
    adminPath: admin?.path ?? null,
    reload: () => reload.now(),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/**
 * The library's options for a configuration.
 * @param hostOf who answers for a domain; by default somebody in this process, who keeps no server waiting
 */
export function federationOptions(
  config: Config,
  hostOf: (domain: DomainConfig) => Host | StreamHost = () => embedded({ echo: true }),
): FederationOptions {
  return {
    domains: config.domains.map(domain => ({
      name: domain.name,
      also: domain.also,
      ...(domain.url === null ? {} : { url: domain.url }),
      ...(domain.ips.length === 0 ? {} : { ips: domain.ips }),
      ...(domain.identity === null ? {} : pemOf(domain.identity)),
      reachable: domain.reachable,
      host: hostOf(domain),
    })),
    listen: config.listen.map(listenOptions),
    dialback: config.dialback,
    ...(config.dialbackSecret === null ? {} : { dialbackSecret: config.dialbackSecret }),
    ...(config.bidi === null ? {} : { bidi: config.bidi }),
    streamManagement: config.streamManagement,
    proxies: config.proxies.map(({ link, ...proxy }) => (link === null ? proxy : { ...proxy, link })),
    trust: {
      ca: config.trust.ca.map(file => file.pem),
      intermediates: config.trust.intermediates.map(file => file.pem),
    },
    network: config.network,
    endpoints: config.endpoints,
    limits: config.limits,
  }
}

function pemOf({ certificate, key }: KeyPairFiles): { certificate: string; key: string } {
  return { certificate: certificate.pem, key: key.pem }
}

function listenOptions({ address, clientCertificates, proxy }: ListenConfig): ListenOptions {
  if (proxy === null) return { address, clientCertificates }
  return {
    address,
    tls: proxy.tls,
    ...(proxy.ca === null ? {} : { proxyCa: proxy.ca.pem }),
    trustedProxies: proxy.trusted,
    forwarded: proxy.forwarded,
    forwardedHops: proxy.hops,
    ...(proxy.certificate === null ? {} : { forwardedCertificate: proxy.certificate }),
    ...(proxy.secret === null ? {} : { proxySecret: proxy.secret }),
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

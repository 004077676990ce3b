import { systemClock } from '../base/system.ts'
import { createHostMetaPublisher, createResolver } from '../discovery/index.ts'
import { publishedDomains, readOptions } from '../federation/index.ts'
import { type Domain, toAscii } from '../xmpp/index.ts'
import type { Config } from './config/config.ts'
import { federationOptions } from './gateway.ts'

/** The files that make a domain findable, for a web site that is elsewhere. */
export interface HostMetaFiles {
  /** the web site, as in an https URL */
  readonly host: string
  /** /.well-known/host-meta.json */
  readonly json: string
  /** /.well-known/host-meta */
  readonly xml: string
}

/** What a gateway with this configuration publishes for `domain` at this moment; null where it publishes nothing. */
export async function hostMetaFor(config: Config, domain: Domain): Promise<HostMetaFiles | null> {
  const settings = readOptions(federationOptions(config))
  const { limits } = settings
  const domains = publishedDomains(settings)
  const resolver = createResolver({ ...settings, clock: systemClock })
  const publisher = createHostMetaPublisher({ domains, resolver, limits, clock: systemClock })
  try {
    await publisher.start()
    const documents = publisher.documents(domain)
    return documents === null
      ? null
      : { host: toAscii(domain), json: documents.jrd.trimEnd(), xml: documents.xrd.trimEnd() }
  } finally {
    publisher.stop()
  }
}

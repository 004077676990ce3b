import type { PublishedDomain } from '../discovery/index.ts'
import { REL_BOSH, REL_WEBSOCKET } from '../xmpp/index.ts'
import type { Settings } from './options.ts'

/** What host-meta is to say: where each domain is, and where its users' programs go. */
export function publishedDomains({
  domains,
  proxies,
}: Pick<Settings, 'domains' | 'proxies'>): readonly PublishedDomain[] {
  return domains.map(domain => {
    const { url } = domain
    if (url === null) return domain
    const { host } = new URL(url)
    const links = proxies.flatMap(({ path, link }) => {
      if (link === undefined) return []
      return link === 'websocket'
        ? [{ rel: REL_WEBSOCKET, href: `wss://${host}${path}` }]
        : [{ rel: REL_BOSH, href: `https://${host}${path}` }]
    })
    return { ...domain, links }
  })
}

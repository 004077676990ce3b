import type { Domain } from '../../xmpp/index.ts'
import type { ServerName } from './answers.ts'

export const SERVER_TITLES: Readonly<Record<ServerName, string>> = {
  prosody: 'Prosody',
  ejabberd: 'ejabberd',
  jabberd2: 'jabberd2',
  openfire: 'Openfire',
  component: 'a component',
}

/** What rooms, uploads and file transfer proxies are usually called. */
export function usualSubdomains(domain: Domain): string[] {
  return ['conference', 'rooms', 'upload', 'proxy', 'pubsub'].map(label => `${label}.${domain}`)
}

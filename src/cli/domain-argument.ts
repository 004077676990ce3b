import { InvalidArgumentError } from 'commander'
import { type Domain, notFederable, parseDomain } from '../xmpp/index.ts'

/** A domain given on the command line; commander makes a usage error of the throw. */
export function domainArgument(text: string): Domain {
  const domain = parseDomain(text)
  if (domain === null) throw new InvalidArgumentError('Not a domain.')
  // DECISIONS 26
  if (notFederable(domain) !== null) throw new InvalidArgumentError('No domain of the public network.')
  return domain
}

import { createRequire } from 'node:module'

/** Of the package. */
export function version(): string {
  const packageJson: unknown = createRequire(import.meta.url)('../../package.json')
  const isVersioned = typeof packageJson === 'object' && packageJson !== null && 'version' in packageJson
  return isVersioned ? String(packageJson.version) : 'unknown'
}

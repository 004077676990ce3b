import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * dist/ as src/ has it: for tests that run the built command. `npm test` has built already; who runs such a test alone
 * gets a build where one is due. Once per run, before any worker starts.
 */
export function setup(): void {
  if (isCurrent()) return
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
}

function isCurrent(): boolean {
  const built = statSync(join(root, 'dist/cli/main.js'), { throwIfNoEntry: false })
  if (built === undefined) return false
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map(name =>
    join('src', name),
  )
  return ['tsconfig.build.json', 'tsconfig.json', ...sources].every(
    name => statSync(join(root, name)).mtimeMs <= built.mtimeMs,
  )
}

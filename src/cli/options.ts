import { type Config, loadConfig, renderProblems } from '../gateway/index.ts'
import type { Io } from './io.ts'

/** The option that names the configuration, alike in every command. */
export const CONFIG_OPTION = ['--config <file>', 'the configuration', 'isthmus.toml'] as const

/** The configuration; null after its problems were told. Warnings are told too. */
export function readConfig(file: string, io: Io): Config | null {
  const loaded = loadConfig(file, io.environment)
  const problems = loaded.ok ? loaded.warnings : loaded.problems
  if (problems.length > 0) io.err.write(renderProblems(file, problems))
  return loaded.ok ? loaded.config : null
}

import { parseConfig } from '../config/parse.ts'
import { type Problem, renderProblems } from '../config/problem.ts'
import { type InitAnswers, type InitPlan, planInit, type ServerName } from './answers.ts'
import { configText } from './config-text.ts'
import { ejabberdParts } from './ejabberd.ts'
import { initNotes } from './notes.ts'
import { componentParts, jabberd2Parts, openfireParts } from './others.ts'
import type { ServerPart } from './part.ts'
import { prosodyParts } from './prosody.ts'

/** What `isthmus init` writes and prints. */
export interface InitFiles {
  /** isthmus.toml */
  readonly config: string
  /** what the server needs, in the order in which a person does it */
  readonly server: readonly ServerPart[]
  /** sentences: what to know, and what becomes unreachable */
  readonly notes: readonly string[]
}

export type Init =
  | { readonly ok: true; readonly files: InitFiles }
  /** lines for a person */
  | { readonly ok: false; readonly detail: string }

/** Compose both parts from the answers; reads and writes nothing. */
export function initFiles(answers: InitAnswers): Init {
  const planned = planInit(answers)
  if (!planned.ok) return { ok: false, detail: `${planned.flag}: ${planned.detail}\n` }
  const { plan } = planned
  const config = configText(plan)
  const problems = problemsOf(config)
  if (problems.length > 0) return { ok: false, detail: renderProblems('isthmus.toml', problems) }
  return { ok: true, files: { config, server: PARTS[plan.server](plan), notes: initNotes(plan) } }
}

const PARTS: Readonly<Record<ServerName, (plan: InitPlan) => ServerPart[]>> = {
  prosody: prosodyParts,
  ejabberd: ejabberdParts,
  jabberd2: jabberd2Parts,
  openfire: openfireParts,
  component: componentParts,
}

/** Answers that are no values of their keys. The environment is that of the gateway, later. */
function problemsOf(config: string): Problem[] {
  const parsed = parseConfig(config, {})
  if (parsed.ok) return []
  return parsed.problems.filter(({ expected }) => !expected.startsWith('the environment variable '))
}

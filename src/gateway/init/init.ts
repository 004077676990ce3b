import { parseConfig } from '../config/parse.ts'
import { type Problem, renderProblems } from '../config/problem.ts'
import type { InitAnswers, ServerName } from './answers.ts'
import { configText } from './config-text.ts'
import { ejabberdParts } from './ejabberd.ts'
import { faultText } from './faults.ts'
import { initNotes } from './notes.ts'
import { componentParts, jabberd2Parts, openfireParts } from './others.ts'
import type { ServerPart } from './part.ts'
import { type InitMachine, type InitPlan, planInit } from './plan.ts'
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
  /** for a person: everything that is wrong */
  | { readonly ok: false; readonly details: readonly string[] }

/** Compose both parts from the answers; reads and writes nothing. */
export function initFiles(answers: InitAnswers, machine: InitMachine): Init {
  const planned = planInit(answers, machine)
  if (!planned.ok) return { ok: false, details: planned.faults.map(faultText) }
  const { plan } = planned
  const config = configText(plan)
  const problems = problemsOf(config)
  if (problems.length > 0) return { ok: false, details: [renderProblems('isthmus.toml', problems).trimEnd()] }
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

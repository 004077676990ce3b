export type { AccountSnapshot } from './account.ts'
export type { CheckReport, Stage, StageName } from './check.ts'
export type { Delivery, Host, HostContext } from './host.ts'

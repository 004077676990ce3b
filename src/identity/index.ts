export type { IdentityReason, IdentityVerdict, ReferenceNames } from './verdict.ts'

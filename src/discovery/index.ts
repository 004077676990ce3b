export type { Candidate, Discovered, Discovery, Endpoint, Resolved, Resolver } from './candidate.ts'

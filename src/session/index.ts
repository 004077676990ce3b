export type { EstablishedSession, Session, SessionHandler } from './session.ts'

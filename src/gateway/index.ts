/**
 * gateway: the daemon's composition root. It is a user of the library (src/index.ts) as any other program could be;
 * what it adds is a configuration file, a log, certificates that follow their files, an admin socket and a life cycle
 * by signals. It knows no protocol.
 *
 * Theory: `loadConfig` turns a file into a `Config` that is believed from then on, or into every problem at once.
 * `startGateway` wires a federation and its three companions from it, `runUntilSignalled` keeps it until SIGTERM and
 * drains. Events are the only thing that leaves a federation: the log writes them, the demo shows them. `walkTo` asks
 * the gateway that runs with a configuration over its admin socket, or is a gateway for the length of one walk.
 *
 * DECISIONS 17 (certificates), 26 (addresses), 29 (client certificates), 30 (admin socket); TOML 1.0.
 */

export type { WalkProof, WalkReport, WalkStage } from './admin-protocol.ts'
export { type AdminUser, currentUser } from './admin-socket.ts'
export { parseCidr } from './config/address.ts'
export {
  type ComponentConfig,
  type Config,
  type DomainConfig,
  describeConfig,
  type HostConfig,
  type KeyPairFiles,
  type ListenConfig,
  type PemFile,
  type ProxyConfig,
  type ProxyInFrontConfig,
  type ServerConfig,
  type SteeringConfig,
} from './config/config.ts'
export { renderReference, renderSample } from './config/document.ts'
export { type Loaded, loadConfig } from './config/load.ts'
export { type Problem, renderProblems } from './config/problem.ts'
export { type Demo, type DemoOptions, startDemo } from './demo.ts'
export type { ChaosProgress } from './demo-chaos.ts'
export type { Conversation, Line } from './demo-talk.ts'
export { federationOptions, type Gateway, type GatewayIo, startGateway } from './gateway.ts'
export { type HostMetaFiles, hostMetaFor } from './host-meta.ts'
export { type InitAnswers, SERVERS, STEERINGS, TLS_ENDS } from './init/answers.ts'
export { faultText, initFaults, type ServerAnswers } from './init/faults.ts'
export { defaultTrusted, hasSocketsOnly } from './init/front.ts'
export { type Init, type InitFiles, initFiles } from './init/init.ts'
export type { ServerPart } from './init/part.ts'
export type { InitMachine } from './init/plan.ts'
export { createLogger, type Logger } from './log.ts'
export { printable } from './printable.ts'
export { type ReadText, readText } from './read-text.ts'
export { runUntilSignalled, type SignalSource } from './signals.ts'
export { systemFailure } from './system-failure.ts'
export { type Walked, type WalkOptions, walkTo } from './walk.ts'

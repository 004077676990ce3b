export type { Codec, Decoded, Frame, OutgoingFrame, StreamHeader } from './frame.ts'

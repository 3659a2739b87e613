export type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";
export { closedStream } from "./closed-stream.ts";
export { ManualLoop, type MemoryPairOptions, memoryPair } from "./memory-pair.ts";
export {
  Flow,
  type Pump,
  type PumpDone,
  type PumpFlows,
  type PumpSide,
  type PumpSnapshot,
  pump,
  restorePump,
} from "./pump.ts";

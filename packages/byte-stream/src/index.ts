export type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";
export { ManualLoop, type MemoryPairOptions, memoryPair } from "./memory-pair.ts";
export { Flow, type PumpDone, type PumpFlows, pump } from "./pump.ts";

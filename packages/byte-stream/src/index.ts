export type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";

export { Bell, type BellEnds, runByBell } from "./bell.ts";
export { FastDataPath, type FastDataPathOptions, type LoopStats } from "./fast-data-path.ts";

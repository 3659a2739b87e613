export { Bell, type BellEnds, runByBell } from "./bell.ts";
export { FastDataPath, type FastDataPathOptions } from "./fast-data-path.ts";

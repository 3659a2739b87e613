export { type Config, parseConfig } from "./config.ts";
export { type ControlPlane, startControlPlane } from "./wire.ts";

export { type Config, type DataConfig, parseConfig } from "./config.ts";
export { configDump } from "./control/config-dump.ts";
export { adminRoutes } from "./control/routes.ts";
export { STATE_FORMAT, type StateFormat } from "./handover/state-format.ts";
export { MESH_CONFIG_FILE, readConfig } from "./read-config.ts";
export { type RunOptions, runZtunnel } from "./run-ztunnel.ts";
export { type StaticMesh, parseStaticConfig } from "./static-config.ts";
export { type ThreadSettings, workerThreads } from "./worker-threads.ts";

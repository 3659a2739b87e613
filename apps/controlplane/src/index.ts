export { type Config, parseConfig } from "./config.ts";
export { ResourceStore } from "./discovery/resource-store.ts";
export { PUSH_ORDER, ServedTypes, scopeOf } from "./discovery/served-types.ts";
export { MeshFeed } from "./mesh-feed.ts";
export { type ControlPlane, startControlPlane } from "./wire.ts";

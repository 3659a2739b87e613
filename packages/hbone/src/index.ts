export type {
  Cancel,
  ConnectRequest,
  ConnectTarget,
  HboneClient,
  HboneConnection,
  HboneLimits,
  HboneOptions,
  HbonePool,
  HbonePoolOptions,
  HboneServer,
  HboneStream,
  PooledTunnel,
  HeaderField,
  Trust,
} from "./api.ts";
export { type RestoredHboneClient, hboneClient, restoreHboneClient } from "./client.ts";
export { hbonePool } from "./pool.ts";
export { type RestoredHboneServer, hboneServer, restoreHboneServer } from "./server.ts";
export { type HboneSnapshot, readHboneSnapshot } from "./snapshot.ts";

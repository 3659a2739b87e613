export type {
  Cancel,
  ConnectRequest,
  ConnectTarget,
  HboneClient,
  HboneConnection,
  HboneOptions,
  HbonePool,
  HbonePoolOptions,
  HboneServer,
  HboneStream,
  HeaderField,
  Trust,
} from "./api.ts";
export { hboneClient } from "./client.ts";
export { hbonePool } from "./pool.ts";
export { hboneServer } from "./server.ts";

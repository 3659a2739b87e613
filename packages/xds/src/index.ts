export { Backoff, type StreamEnd } from "./backoff.ts";
export {
  CAPABILITIES_KEY,
  Capability,
  type ClientNode,
  type NodeType,
  honours,
  parseClientNode,
} from "./client-node.ts";
export { type ClientEffect, type ClientInput, DeltaClient, type Rejection } from "./delta-client.ts";
export { DeltaServer, type ServerInput } from "./delta-server.ts";
export { type BatchForm, type Recast, ResourceBatch, bodyOf, encodeResponse } from "./resource-batch.ts";
export { type Item, ResourceTable, Sequence, type TableEntry } from "./resource-table.ts";
export {
  ANY_CLIENT,
  type ClientScope,
  NameBudget,
  type NameLookup,
  type ServedType,
  SharedBatches,
  isFor,
} from "./served-type.ts";
export { type StateInput, StateServer } from "./state-server.ts";
export { type ServerEffect, type StreamOptions, type TypeState, missingNode } from "./stream-messages.ts";

export { Backoff, type StreamEnd } from "./backoff.ts";
export { type ClientEffect, type ClientInput, DeltaClient, type Rejection } from "./delta-client.ts";
export { type SentResource, deltaResponse } from "./delta-response.ts";
export { DeltaServer, type DeltaServerOptions, type ServerEffect, type ServerInput } from "./delta-server.ts";
export type { ResourceIndex, TypeState } from "./watch.ts";

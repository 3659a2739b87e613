/**
 * The messages as they are on the wire, for those who must build one that our own encoders never would: tests and tools.
 * Everybody else uses the checked conversions of the main door.
 */
export * as authorizationWire from "./generated/authorization.ts";
export * as protobufWire from "./generated/google-protobuf.ts";
export * as workloadWire from "./generated/workload.ts";

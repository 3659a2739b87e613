export { type AddressResource, decodeAddress } from "./address-resource.ts";
export { decodeAuthorization, encodeAuthorization } from "./authorization-resource.ts";
export { CONFIG_STATUS, type TypeStatus, encodeClientConfig } from "./client-config.ts";
export {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  createIstioCertificateRequest,
  createIstioCertificateResponse,
} from "./generated/ca.ts";
export { type Node, createNode } from "./generated/core.ts";
export {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  type Resource,
  createDeltaDiscoveryRequest,
  createDeltaDiscoveryResponse,
  createDiscoveryRequest,
  createDiscoveryResponse,
  createResource,
  decodeDeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
} from "./generated/discovery.ts";
export { type Any, type Struct, createAny } from "./generated/google-protobuf.ts";
export { type Status, createStatus } from "./generated/google-rpc.ts";
export {
  type GrpcMethod,
  createCertificateMethod,
  deltaDiscoveryMethod,
  stateDiscoveryMethod,
} from "./grpc-methods.ts";
export { MAX_RESOURCE_BYTES } from "./resource-bytes.ts";
export { encodeService } from "./service-resource.ts";
export { type JsonObject, type JsonValue, structFromJson, structToJson } from "./struct-json.ts";
export { decodeTrustBundle, encodeTrustBundle } from "./trust-bundle-resource.ts";
export { ADDRESS_TYPE, AUTHORIZATION_TYPE, PROXY_CONFIG_TYPE, WORKLOAD_TYPE } from "./type-urls.ts";
export { MAX_MESSAGE_BYTES } from "./wire/codec.ts";
export { encodeWorkload, workloadInAddress } from "./workload-resource.ts";

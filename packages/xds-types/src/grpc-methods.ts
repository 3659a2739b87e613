import type { Result } from "@lateen/errors";
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  decodeIstioCertificateRequest,
  decodeIstioCertificateResponse,
  encodeIstioCertificateRequest,
  encodeIstioCertificateResponse,
} from "./generated/ca.ts";
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  decodeDeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
} from "./generated/discovery.ts";

/**
 * A gRPC method as data, in the shape that gRPC libraries for Node take. Decoding throws `MeshError` BAD_INPUT, since
 * that is how these libraries learn of it. A library that wants `Buffer` wraps the bytes without copying.
 */
export interface GrpcMethod<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: Request) => Uint8Array;
  readonly requestDeserialize: (bytes: Uint8Array) => Request;
  readonly responseSerialize: (message: Response) => Uint8Array;
  readonly responseDeserialize: (bytes: Uint8Array) => Response;
}

const orThrow =
  <T>(decode: (bytes: Uint8Array) => Result<T>) =>
  (bytes: Uint8Array): T => {
    const result = decode(bytes);
    if (result.ok) return result.value;
    throw result.error;
  };

/** Delta xDS, all types on one stream. @see dataplane 8.4 */
export const deltaDiscoveryMethod: GrpcMethod<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
  requestStream: true,
  responseStream: true,
  requestSerialize: encodeDeltaDiscoveryRequest,
  requestDeserialize: orThrow(decodeDeltaDiscoveryRequest),
  responseSerialize: encodeDeltaDiscoveryResponse,
  responseDeserialize: orThrow(decodeDeltaDiscoveryResponse),
};

/** State-of-the-world xDS, all types on one stream. @see control-plane 1.2 */
export const stateDiscoveryMethod: GrpcMethod<DiscoveryRequest, DiscoveryResponse> = {
  path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
  requestStream: true,
  responseStream: true,
  requestSerialize: encodeDiscoveryRequest,
  requestDeserialize: orThrow(decodeDiscoveryRequest),
  responseSerialize: encodeDiscoveryResponse,
  responseDeserialize: orThrow(decodeDiscoveryResponse),
};

/** Signs one certificate request. @see dataplane 9.1 */
export const createCertificateMethod: GrpcMethod<IstioCertificateRequest, IstioCertificateResponse> = {
  path: "/istio.v1.auth.IstioCertificateService/CreateCertificate",
  requestStream: false,
  responseStream: false,
  requestSerialize: encodeIstioCertificateRequest,
  requestDeserialize: orThrow(decodeIstioCertificateRequest),
  responseSerialize: encodeIstioCertificateResponse,
  responseDeserialize: orThrow(decodeIstioCertificateResponse),
};

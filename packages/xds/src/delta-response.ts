import {
  type DeltaDiscoveryResponse,
  createAny,
  createDeltaDiscoveryResponse,
  createResource,
} from "@lateen/xds-types";

/** A resource ready to be sent. */
export interface SentResource {
  readonly name: string;
  /** Content hash, or empty when unknown. */
  readonly version: string;
  readonly body: Uint8Array;
}

/** The response that a `send` effect asks for. `systemVersion` is for people only. */
export function deltaResponse(o: {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  readonly resources: readonly SentResource[];
  readonly removed: readonly string[];
}): DeltaDiscoveryResponse {
  const { typeUrl } = o;
  return createDeltaDiscoveryResponse({
    typeUrl,
    nonce: o.nonce,
    systemVersionInfo: o.systemVersion,
    removedResources: [...o.removed],
    resources: o.resources.map((r) =>
      createResource({ name: r.name, version: r.version, resource: createAny({ typeUrl, value: r.body }) }),
    ),
  });
}

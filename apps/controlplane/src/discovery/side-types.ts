import {
  createAny,
  createDeltaDiscoveryResponse,
  createDiscoveryResponse,
  createResource,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from "@lateen/xds-types";

/** What is asked for over xDS without being configuration: debug pages. */
export const isSideType = (typeUrl: string): boolean => /^istio\.io\/debug(\/|$)/.test(typeUrl);

/** What becomes of such a question. */
export type DebugAnswer =
  | {
      readonly t: "resources";
      readonly resources: readonly { readonly name: string; readonly typeUrl: string; readonly body: Uint8Array }[];
    }
  | { readonly t: "end"; readonly code: number; readonly message: string };

/** The response with an answer. @param o.identifier of the control plane that answers, as JSON */
export function encodeAnswer(
  answer: Extract<DebugAnswer, { t: "resources" }>,
  o: {
    readonly variant: "delta" | "state";
    readonly typeUrl: string;
    readonly nonce: string;
    readonly identifier: string;
  },
): Uint8Array {
  const { typeUrl, nonce } = o;
  const controlPlane = { identifier: o.identifier };
  const any = answer.resources.map((r) => createAny({ typeUrl: r.typeUrl, value: r.body }));
  if (o.variant === "state")
    return encodeDiscoveryResponse(createDiscoveryResponse({ typeUrl, nonce, controlPlane, resources: any }));
  const resources = answer.resources.map(({ name }, i) => createResource({ name, resource: any[i] ?? null }));
  return encodeDeltaDiscoveryResponse(createDeltaDiscoveryResponse({ typeUrl, nonce, controlPlane, resources }));
}

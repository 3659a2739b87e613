import type { TypeState } from "@lateen/xds";
import type { DiscoveryStream } from "./discovery-stream.ts";

/** A client as the debug pages show it. */
export interface StreamView {
  readonly client: string;
  readonly node: string;
  readonly caller: string;
  readonly variant: string;
  readonly connectedAt: string;
  readonly types: Readonly<Record<string, TypeState>>;
}

export function describeStream(stream: DiscoveryStream): StreamView {
  const { identity, by } = stream.caller;
  return {
    client: stream.id,
    node: stream.node.id,
    caller: `${identity.namespace}/${identity.serviceAccount} by ${by}`,
    variant: stream.variant,
    connectedAt: new Date(stream.startedMs).toISOString(),
    types: Object.fromEntries(stream.state()),
  };
}

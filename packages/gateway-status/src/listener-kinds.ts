import { GATEWAY_GROUP } from "./reference-grants.ts";
import type { RouteGroupKind } from "./status-conditions.ts";
import type { Listener } from "./status-objects.ts";

const kinds = (...names: readonly string[]): readonly RouteGroupKind[] =>
  names.map((kind) => ({ group: GATEWAY_GROUP, kind }));

function byProtocol({ protocol, tls }: Listener): readonly RouteGroupKind[] {
  switch (protocol) {
    case "HTTP":
    case "HTTPS":
      return kinds("HTTPRoute", "GRPCRoute");
    case "TCP":
      return kinds("TCPRoute");
    case "TLS":
      return tls?.mode === "Terminate" ? kinds("TLSRoute", "TCPRoute") : kinds("TLSRoute");
    default:
      return [];
  }
}

/** Kinds of routes that a listener takes, and whether it can take all that it names. */
export function supportedKinds(listener: Listener): {
  readonly kinds: readonly RouteGroupKind[];
  readonly allKnown: boolean;
} {
  const able = byProtocol(listener);
  const wanted = listener.allowedRoutes?.kinds ?? [];
  if (wanted.length === 0) return { kinds: able, allKnown: true };
  const both = able.filter((a) => wanted.some((w) => w.kind === a.kind && (w.group ?? GATEWAY_GROUP) === a.group));
  return { kinds: both, allKnown: both.length === wanted.length };
}

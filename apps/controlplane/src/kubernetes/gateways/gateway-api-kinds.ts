import {
  type ListenerSet,
  ROUTE_KINDS,
  type ReferenceGrant,
  type Route,
  type RouteKind,
  readListenerSet,
  readReferenceGrant,
  readRoute,
} from "@lateen/gateway-status";
import { type ApiClient, type ApiResource, type KubeMetrics, type Reflector, startReflector } from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

const GROUP = "gateway.networking.k8s.io";
const resource = (kind: string, plural: string, versions: readonly string[]): ApiResource => ({
  ...{ group: GROUP, kind, plural, versions },
  scope: "namespaced",
});
const RESOURCES: Readonly<Record<RouteKind | "ListenerSet" | "ReferenceGrant", ApiResource>> = {
  HTTPRoute: resource("HTTPRoute", "httproutes", ["v1", "v1beta1"]),
  GRPCRoute: resource("GRPCRoute", "grpcroutes", ["v1"]),
  TLSRoute: resource("TLSRoute", "tlsroutes", ["v1", "v1alpha3", "v1alpha2"]),
  TCPRoute: resource("TCPRoute", "tcproutes", ["v1", "v1alpha2"]),
  ListenerSet: resource("ListenerSet", "listenersets", ["v1"]),
  ReferenceGrant: resource("ReferenceGrant", "referencegrants", ["v1", "v1beta1"]),
};

type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** Kinds of the Gateway API that only statuses follow from. */
export interface GatewayApiKinds extends Disposable {
  synced(o: { readonly signal: AbortSignal }): Promise<void>;
  routes(kind: RouteKind): Reflector<Route>;
  readonly listenerSets: Reflector<ListenerSet>;
  readonly grants: Reflector<ReferenceGrant>;
}

/** Those that the API server does not know are empty, and found when they come. */
export function followGatewayApi(o: {
  readonly client: ApiClient;
  readonly onChange: () => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): GatewayApiKinds {
  const follow = <T>(of: ApiResource, read: (raw: unknown) => Reading<T>): Reflector<T> =>
    startReflector<T>({
      ...{ client: o.client, log: o.log, metrics: o.metrics, onChange: o.onChange },
      resource: of,
      decode(raw) {
        const parsed = read(raw);
        return parsed.ok ? { t: "good", value: parsed.value } : { t: "bad", why: parsed.why };
      },
    });
  const routes = new Map(
    ROUTE_KINDS.map((kind) => [kind, follow<Route>(RESOURCES[kind], (raw) => readRoute(kind, raw))]),
  );
  const listenerSets = follow<ListenerSet>(RESOURCES.ListenerSet, readListenerSet);
  const grants = follow<ReferenceGrant>(RESOURCES.ReferenceGrant, readReferenceGrant);
  const all = [...routes.values(), listenerSets, grants];
  return {
    async synced(wait) {
      await Promise.all(all.map((r) => r.synced(wait)));
    },
    routes: (kind) => routes.get(kind)!, // made for every kind above
    listenerSets,
    grants,
    [Symbol.dispose]() {
      for (const r of all) r[Symbol.dispose]();
    },
  };
}

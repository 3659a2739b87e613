/** How the API server calls a kind. */
export interface ApiKind {
  /** Empty for Kubernetes itself. */
  readonly group: string;
  /** That we read, the preferred one first. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly scope: "namespaced" | "cluster";
}

const namespaced = (group: string, versions: readonly string[], plural: string): ApiKind => ({
  group,
  versions,
  plural,
  scope: "namespaced",
});
const cluster = (group: string, versions: readonly string[], plural: string): ApiKind => ({
  group,
  versions,
  plural,
  scope: "cluster",
});

/** Every kind that is read, as the API server calls it. */
export const apiKinds = {
  Namespace: cluster("", ["v1"], "namespaces"),
  ServiceAccount: namespaced("", ["v1"], "serviceaccounts"),
  Pod: namespaced("", ["v1"], "pods"),
  Service: namespaced("", ["v1"], "services"),
  Node: cluster("", ["v1"], "nodes"),
  Deployment: namespaced("apps", ["v1"], "deployments"),
  EndpointSlice: namespaced("discovery.k8s.io", ["v1"], "endpointslices"),
  AuthorizationPolicy: namespaced("security.istio.io", ["v1", "v1beta1"], "authorizationpolicies"),
  PeerAuthentication: namespaced("security.istio.io", ["v1", "v1beta1"], "peerauthentications"),
  ServiceEntry: namespaced("networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "serviceentries"),
  WorkloadEntry: namespaced("networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "workloadentries"),
  Gateway: namespaced("gateway.networking.k8s.io", ["v1", "v1beta1"], "gateways"),
  GatewayClass: cluster("gateway.networking.k8s.io", ["v1", "v1beta1"], "gatewayclasses"),
} as const satisfies Readonly<Record<string, ApiKind>>;

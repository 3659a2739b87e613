/**
 * What this product says it does: a whole suite, or the named kinds of one. `npm run vectors` fails when a claimed case
 * fails or is unsupported, and when the file of a claimed suite is missing. This is the only place where claims stand.
 */
export interface Claim {
  readonly suite: string;
  /** Absent: every case of the suite. */
  readonly kinds?: readonly string[];
}

export const claims: readonly Claim[] = [
  // Waypoints come with L7.
  { suite: "cli-goldens", kinds: ["ztunnel-config"] },
  { suite: "ambient-index-scenarios" },
  { suite: "ambient-index-units" },
  { suite: "ca-service" },
  // Not claimed of it: policies for backends, whose status nothing here writes yet.
  { suite: "gateway-api-status", kinds: ["gateways"] },
  { suite: "gateway-deployments" },
  { suite: "http2-requirements" },
  { suite: "iptables-goldens" },
  // Not claimed of it: defaults and config dumps, whose form in the suite nobody here has seen.
  {
    suite: "ztunnel-config",
    kinds: ["localConfig", "proxyConfig", "adminLogging", "certsDump"],
  },
  { suite: "ztunnel-rbac" },
  { suite: "ztunnel-routing" },
  { suite: "matching-rules" },
  { suite: "policy-conversion" },
  { suite: "spiffe-id" },
  { suite: "xds-workload-scenarios" },
  // By our webhook, and where the test cluster is built by the API server with our definitions.
  { suite: "validation-crds" },
  { suite: "validation-istio" },
  { suite: "validation-istio-1.21-only" },
];

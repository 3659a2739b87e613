import {
  type Review,
  checkMeshConfig,
  checkNetworks,
  controlPlaneAuthPolicyProblem,
  domainProblem,
  gatewayDomainProblem,
  headerValueProblem,
  httpStatusProblem,
  ipProblem,
  localitiesProblem,
  matchedHeaderProblem,
  portNameProblem,
  providerServiceProblem,
  strictHeaderNameProblem,
  subnetProblem,
  trustDomainProblem,
  validateObject,
  wildcardDomainProblem,
} from "@lateen/validation";
import { object, text, texts } from "../../read-json.ts";
import {
  type Json,
  type JsonObject,
  type VectorCase,
  type Verdict,
  failed,
  passed,
  unsupported,
} from "../../suite-driver.ts";

/** API versions of whole resources. */
const VERSIONS: Readonly<Record<string, string>> = {
  Gateway: "networking.istio.io/v1",
  VirtualService: "networking.istio.io/v1",
  DestinationRule: "networking.istio.io/v1",
  ServiceEntry: "networking.istio.io/v1",
  Sidecar: "networking.istio.io/v1",
  WorkloadEntry: "networking.istio.io/v1",
  WorkloadGroup: "networking.istio.io/v1",
  ProxyConfig: "networking.istio.io/v1beta1",
  EnvoyFilter: "networking.istio.io/v1alpha3",
  AuthorizationPolicy: "security.istio.io/v1",
  PeerAuthentication: "security.istio.io/v1",
  RequestAuthentication: "security.istio.io/v1",
  Telemetry: "telemetry.istio.io/v1",
  WasmPlugin: "extensions.istio.io/v1alpha1",
  TrafficExtension: "extensions.istio.io/v1alpha1",
};

/** Fields of 64 bits, which the JSON of protobuf writes as texts and that of Kubernetes as numbers. */
const WIDE: ReadonlySet<string> = new Set(["tableSize", "minimumRingSize", "minClusterSize"]);

function asKubernetes(value: Json, field = ""): Json {
  if (typeof value === "string" && WIDE.has(field) && /^\d+$/.test(value)) return Number(value);
  if (Array.isArray(value)) return (value as readonly Json[]).map((entry) => asKubernetes(entry));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, asKubernetes(entry, name)]));
}

type Release = "1.21" | "newest";
type Judge = (input: JsonObject, release: Release) => Review;

const review = (kind: string, spec: Json, input: JsonObject, release: Release): Review => {
  const metadata = {
    name: typeof input["configName"] === "string" ? input["configName"] : "foo",
    namespace: typeof input["namespace"] === "string" ? input["namespace"] : "bar",
    labels: input["labels"] ?? {},
    annotations: input["annotations"] ?? {},
  };
  return validateObject({ apiVersion: VERSIONS[kind] ?? "", kind, metadata, spec: asKubernetes(spec) }, { release });
};
/** A message within the smallest resource that can hold it. */
const within =
  (kind: string, wrap: (value: Json) => JsonObject): Judge =>
  (input, release) =>
    review(kind, wrap(input["value"] ?? null), input, release);
const scalar =
  (check: (value: string) => string | null): Judge =>
  (input) =>
    told(check(text(input["value"] ?? null)));
const number =
  (check: (value: number) => string | null): Judge =>
  (input) =>
    told(check(Number(input["value"])));
const told = (problem: string | null): Review => ({
  errors: problem === null ? [] : [{ path: [], message: problem }],
  warnings: [],
});

const BACKEND = { destination: { host: "foo.bar" } };
const inRoute = (fields: JsonObject): JsonObject => ({ hosts: ["foo.bar"], http: [{ route: [BACKEND], ...fields }] });
const inPolicy = (trafficPolicy: Json): JsonObject => ({ host: "foo.bar", trafficPolicy });
const HTTPS = { number: 443, name: "https", protocol: "HTTPS" };
const HTTP = { number: 80, name: "http", protocol: "HTTP" };
const inServer = (fields: JsonObject): JsonObject => ({ servers: [{ hosts: ["foo.bar.com"], port: HTTP, ...fields }] });
/** Detection that is there says that failures are found; null is none. */
const balanced =
  (field: string): Judge =>
  (input, release) => {
    const outlierDetection = input["outlier"] ?? null;
    const parts = { loadBalancer: { [field]: input["value"] ?? null }, outlierDetection };
    return review("DestinationRule", inPolicy(parts), input, release);
  };
const exported: Judge = (input, release) => {
  const exportTo = input["value"] ?? null;
  if (input["isServiceEntry"] === true) return review("ServiceEntry", { hosts: ["foo.bar"], exportTo }, input, release);
  const labels = { matchLabels: { a: "b" } };
  const workloadSelector = input["isDestinationRuleWithSelector"] === true ? labels : null;
  return review("DestinationRule", { host: "foo.bar", exportTo, workloadSelector }, input, release);
};
const routed: Judge = (input, release) => {
  const hosts = input["role"] === "delegate" ? [] : ["foo.bar"];
  return review("VirtualService", { hosts, http: [input["value"] ?? null] }, input, release);
};

const MESSAGES: Readonly<Record<string, Judge>> = {
  ...Object.fromEntries(Object.keys(VERSIONS).map((kind) => [kind, within(kind, (spec) => object(spec))])),
  HTTPRoute: routed,
  HTTPRetry: within("VirtualService", (retries) => inRoute({ retries })),
  HTTPRewrite: within("VirtualService", (rewrite) => inRoute({ rewrite })),
  RegexRewrite: within("VirtualService", (uriRegexRewrite) => inRoute({ rewrite: { uriRegexRewrite } })),
  HTTPRedirect: within("VirtualService", (redirect) => inRoute(redirect === null ? {} : { route: null, redirect })),
  HTTPDirectResponse: within("VirtualService", (directResponse) =>
    inRoute(directResponse === null ? {} : { route: null, directResponse }),
  ),
  "HTTPFaultInjection.Abort": within("VirtualService", (abort) => inRoute(abort === null ? {} : { fault: { abort } })),
  "HTTPFaultInjection.Delay": within("VirtualService", (delay) => inRoute(delay === null ? {} : { fault: { delay } })),
  CorsPolicy: within("VirtualService", (corsPolicy) => inRoute({ corsPolicy })),
  Destination: within("VirtualService", (destination) => inRoute({ route: [{ destination }] })),
  "RouteDestination[]": within("VirtualService", (route) => ({ hosts: ["foo.bar"], tcp: [{ route }] })),
  TrafficPolicy: within("DestinationRule", inPolicy),
  ConnectionPoolSettings: within("DestinationRule", (connectionPool) => inPolicy({ connectionPool })),
  LoadBalancerSettings: within("DestinationRule", (loadBalancer) => inPolicy({ loadBalancer })),
  OutlierDetection: within("DestinationRule", (outlierDetection) => inPolicy({ outlierDetection })),
  ClientTLSSettings: within("DestinationRule", (tls) => inPolicy({ tls })),
  LocalityLoadBalancerSetting: balanced("localityLbSetting"),
  "LocalityLoadBalancerSetting(zoneAware)": balanced("zoneAwareLbSetting"),
  Server: within("Gateway", (server) => ({ servers: [server] })),
  Port: (input, release) => {
    const server = inServer({ port: input["value"] ?? null, bind: input["bind"] ?? null });
    return review("Gateway", server, input, release);
  },
  ServerTLSSettings: within("Gateway", (tls) => inServer({ port: HTTPS, tls })),
  "AccessLogging.Filter": within("Telemetry", (filter) => ({ accessLogging: [{ filter }] })),
  exportTo: exported,
  "MeshConfig.DefaultTrafficPolicy": (i) => checkMeshConfig({ defaultTrafficPolicy: i["value"] ?? null }),
  "MeshConfig.serviceSettings.hosts": (i) => checkMeshConfig({ serviceSettings: [{ hosts: i["value"] ?? null }] }),
  MeshNetworks: (i) => checkNetworks(i["value"]),
  controlPlaneAuthPolicy: number(controlPlaneAuthPolicyProblem),
  extensionProviderService: scalar(providerServiceProblem),
  fqdn: scalar(domainProblem),
  wildcardDomain: scalar(wildcardDomainProblem),
  wildcardDomainForGatewayVirtualService: (i) =>
    told(gatewayDomainProblem(text(i["value"] ?? null), { bySni: i["sni"] === true })),
  trustDomain: scalar(trustDomainProblem),
  ipAddress: scalar(ipProblem),
  ipSubnet: scalar(subnetProblem),
  portName: scalar(portNameProblem),
  httpHeaderName: scalar(matchedHeaderProblem),
  strictHttpHeaderName: scalar(strictHeaderNameProblem),
  httpHeaderValue: scalar(headerValueProblem),
  httpStatus: number(httpStatusProblem),
  localities: (i) => told(localitiesProblem(texts(i["value"] ?? null))),
};

/** The messages of the suites are the kinds of their cases. */
export const messageOf = (c: VectorCase): string => text(c.input["message"] ?? null);

/** @param release whose rules the suite is about */
export const judgeAs =
  (release: Release) =>
  (c: VectorCase): Verdict => {
    const message = messageOf(c);
    const judge = Object.hasOwn(MESSAGES, message) ? MESSAGES[message] : undefined;
    if (judge === undefined) return unsupported(`no message ${message}`);
    const expected = object(c.expected);
    const { errors, warnings } = judge(c.input, release);
    if ((errors.length === 0) !== expected["valid"]) return failed({ errors });
    // As Istio's own webhook: who is refused is told why, and no warnings.
    if (errors.length === 0 && expected["warning"] !== undefined && warnings.length > 0 !== expected["warning"])
      return failed({ warnings });
    return passed;
  };

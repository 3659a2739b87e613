import type { Gateway } from "@lateen/resources";
import type { DeploymentSettings } from "./deployment-settings.ts";
import type { ClassInfo } from "./gateway-classes.ts";
import { type GatewayNames, NETWORK_LABEL, type Texts } from "./gateway-names.ts";
import { EAST_WEST_CONTROLLER } from "./gateway-classes.ts";
import { type Json, type JsonMap, isMap, withoutNulls } from "./json.ts";

/** Everything that a proxy's pod follows from. */
export interface ProxyInput {
  readonly gateway: Gateway;
  readonly namespace: string;
  readonly info: ClassInfo;
  readonly names: GatewayNames;
  readonly labels: Texts;
  readonly settings: DeploymentSettings;
}

const PROXY_USER = 1_337;
const STATUS_PORT = 15_021;

/** The one container of a proxy's pod. @see control-plane 3.4, "Waypoint objects" */
export function proxyContainer(at: ProxyInput): JsonMap {
  const { global } = at.settings.values;
  const sizes = at.info.form === "waypoint" ? global.waypoint.resources : global.proxy.resources;
  return {
    name: "istio-proxy",
    image: imageOf(at),
    ...(global.imagePullPolicy === "" ? {} : { imagePullPolicy: global.imagePullPolicy }),
    args: argsOf(at),
    ports: [
      { containerPort: 15_020, name: "metrics", protocol: "TCP" },
      { containerPort: STATUS_PORT, name: "status-port", protocol: "TCP" },
      { containerPort: 15_090, name: "http-envoy-prom", protocol: "TCP" },
    ],
    env: environmentOf(at),
    ...(sizes ? { resources: withoutNulls(sizes) } : {}),
    ...(at.info.form === "gateway" && global.proxy.lifecycle ? { lifecycle: global.proxy.lifecycle } : {}),
    startupProbe: probe({ failureThreshold: 30, initialDelaySeconds: 1, periodSeconds: 1 }),
    readinessProbe: probe({ failureThreshold: 4, initialDelaySeconds: 0, periodSeconds: 15 }),
    securityContext: securityContext(at),
    volumeMounts: [
      { name: "workload-socket", mountPath: "/var/run/secrets/workload-spiffe-uds" },
      { name: "istiod-ca-cert", mountPath: "/var/run/secrets/istio" },
      { name: "istio-data", mountPath: "/var/lib/istio/data" },
      { name: "istio-envoy", mountPath: "/etc/istio/proxy" },
      { name: "istio-token", mountPath: "/var/run/secrets/tokens" },
      { name: "istio-podinfo", mountPath: "/etc/istio/pod" },
    ],
  };
}

const probe = (timing: JsonMap): JsonMap => ({
  httpGet: { path: "/healthz/ready", port: STATUS_PORT, scheme: "HTTP" },
  successThreshold: 1,
  timeoutSeconds: 1,
  ...timing,
});

function securityContext({ info, settings: { values } }: ProxyInput): JsonMap {
  const openshift = info.form === "waypoint" && values.global.platform === "openshift";
  const { seccompProfile } = values.gateways;
  return {
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    // Who it is chosen by the platform.
    ...(openshift ? {} : { runAsUser: PROXY_USER, runAsGroup: PROXY_USER }),
    capabilities: { drop: ["ALL"] },
    ...(info.form === "waypoint" && seccompProfile ? { seccompProfile } : {}),
  };
}

function imageOf({ gateway, settings: { values, image } }: ProxyInput): string {
  const { global } = values;
  const named = gateway.metadata.annotations?.["sidecar.istio.io/proxyImage"] || global.proxy.image;
  if (named.includes("/")) return named;
  if (global.hub === "") return image;
  const type = gateway.metadata.annotations?.["sidecar.istio.io/proxyImageType"] || global.variant;
  const tag =
    type === "" || type === "default" || global.tag.endsWith(`-${type}`) ? global.tag : `${global.tag}-${type}`;
  return tag === "" ? `${global.hub}/${named}` : `${global.hub}/${named}:${tag}`;
}

function argsOf({ gateway, info, names, settings: { values } }: ProxyInput): readonly string[] {
  const { global } = values;
  const said = gateway.metadata.annotations ?? {};
  return [
    ...["proxy", info.form === "waypoint" ? "waypoint" : "router"],
    ...["--domain", `$(POD_NAMESPACE).svc.${global.proxy.clusterDomain}`],
    ...(info.form === "waypoint" ? ["--serviceCluster", `${names.serviceAccount}.$(POD_NAMESPACE)`] : []),
    ...["--proxyLogLevel", said["sidecar.istio.io/logLevel"] ?? global.proxy.logLevel],
    ...["--proxyComponentLogLevel", said["sidecar.istio.io/componentLogLevel"] ?? global.proxy.componentLogLevel],
    ...["--log_output_level", said["sidecar.istio.io/agentLogLevel"] ?? global.logging.level],
    ...(global.logAsJson ? ["--log_as_json"] : []),
    ...(info.form === "waypoint" && global.proxy.outlierLogPath !== ""
      ? [`--outlierLogPath=${global.proxy.outlierLogPath}`]
      : []),
  ];
}

const field = (name: string, fieldPath: string): JsonMap => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const limit = (name: string, resource: string): JsonMap => ({
  name,
  valueFrom: { resourceFieldRef: { resource, divisor: "1" } },
});

function environmentOf(at: ProxyInput): readonly Json[] {
  const { namespace, names, settings } = at;
  const { global } = settings.values;
  const trustDomain = global.trustDomain || settings.trustDomain;
  const metadata = settings.proxyConfig["proxyMetadata"];
  const own = Object.entries(isMap(metadata) ? metadata : {}).flatMap(([key, value]) =>
    typeof value === "string" ? [[key, value] as const] : [],
  );
  const values: readonly (readonly [name: string, value: string])[] = [
    ["PILOT_CERT_PROVIDER", global.pilotCertProvider],
    ["CA_ADDR", global.caAddress || `${controlPlane(settings)}.${global.istioNamespace}.svc:15012`],
    ["PROXY_CONFIG", JSON.stringify(settings.proxyConfig)],
    ["ISTIO_META_CLUSTER_ID", global.multiCluster.clusterName || settings.clusterId],
    ...networkOf(at),
    ["ISTIO_META_INTERCEPTION_MODE", "REDIRECT"],
    ["ISTIO_META_WORKLOAD_NAME", names.deployment],
    ["ISTIO_META_OWNER", `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${names.deployment}`],
    ["ISTIO_META_MESH_ID", global.meshID || trustDomain],
    ["TRUST_DOMAIN", trustDomain],
  ];
  // Fields are merged by name, so each name may stand once.
  const told = new Map([...own, ...values]);
  return [
    field("ISTIO_META_SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("ISTIO_META_NODE_NAME", "spec.nodeName"),
    field("POD_NAME", "metadata.name"),
    field("POD_NAMESPACE", "metadata.namespace"),
    field("INSTANCE_IP", "status.podIP"),
    field("HOST_IP", "status.hostIP"),
    limit("ISTIO_CPU_LIMIT", "limits.cpu"),
    limit("GOMAXPROCS", "limits.cpu"),
    limit("GOMEMLIMIT", "limits.memory"),
    ...[...told].map(([name, value]) => ({ name, value })),
  ];
}

const controlPlane = ({ revision }: DeploymentSettings): string =>
  revision === "default" || revision === "" ? "istiod" : `istiod-${revision}`;

/** Its network, and which network's endpoints it wants to hear of, where that is not all. */
function networkOf({ info, labels, settings }: ProxyInput): readonly (readonly [string, string])[] {
  const network = labels[NETWORK_LABEL] || settings.values.global.network;
  if (network === "") return [];
  const view =
    info.form === "gateway" ? labels[NETWORK_LABEL] : info.controller === EAST_WEST_CONTROLLER ? network : "";
  return [["ISTIO_META_NETWORK", network], ...(view ? [["ISTIO_META_REQUESTED_NETWORK_VIEW", view] as const] : [])];
}
